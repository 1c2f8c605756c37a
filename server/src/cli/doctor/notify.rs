//! Whether the Gotify of this server answers.

use super::{Finding, failed, ok};
use crate::Config;
use crate::notify::gotify;

pub(super) async fn look(config: &Config) -> Option<Finding> {
    let url = config.gotify_url.as_deref()?;
    Some(match gotify::answers(url).await {
        Ok(()) => ok("notifications", format!("Gotify answers at {url}")),
        Err(reason) => failed(
            "notifications",
            format!(
                "GOTIFY_URL is {url}, and {reason}: start Gotify there, or set the address that this server reaches it by"
            ),
        ),
    })
}
