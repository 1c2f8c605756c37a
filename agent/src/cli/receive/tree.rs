//! An offer as the person who is asked sees it: every listed file under its folder, numbered, with its size.

use mesh_protocol::signal::TransferRequest;
use serde_json::{Value, json};

use crate::cli::output::size;
use crate::daemon::consent::plain;

/// The whole list, as far as the request has it.
pub(super) fn shown(request: &TransferRequest) -> String {
    let bytes = size(request.size);
    if let ([], _) | ([_], 1) = (&request.files[..], request.count) {
        let path = request.files.first().map_or(&request.name, |file| &file.path);
        return match request.count {
            1 => format!("{} ({bytes}).", plain(path)),
            count => format!("{} ({count} files, {bytes}).", plain(path)),
        };
    }
    let mut lines = vec![format!(
        "{} ({} files, {bytes}):",
        plain(&request.name),
        request.count
    )];
    let (digits, mut above) = (request.files.len().to_string().len(), "");
    for (number, file) in (1..).zip(&request.files) {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        if folder != above {
            lines.push(format!("  {}/", plain(folder)));
            above = folder;
        }
        lines.push(format!(
            "  {number:>digits$}  {} ({})",
            plain(name),
            size(file.size)
        ));
    }
    let more = request.count.saturating_sub(request.files.len() as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

/// The same for a program.
pub(super) fn event(who: &str, room: &str, request: &TransferRequest) -> Value {
    let files: Vec<Value> = request
        .files
        .iter()
        .map(|file| json!({"path": file.path, "size": file.size}))
        .collect();
    json!({
        "event": "offer", "from": who, "room": room, "name": plain(&request.name), "size": request.size,
        "count": request.count, "files": files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_protocol::signal::OfferedFile;

    fn request(paths: &[&str], count: u64) -> TransferRequest {
        TransferRequest {
            room_id: "r".parse().unwrap(),
            target: None,
            session_id: None,
            cap_token: None,
            share_id: None,
            name: "photos".into(),
            size: 3_000,
            count,
            files: paths
                .iter()
                .map(|path| OfferedFile {
                    path: (*path).into(),
                    size: 1_000,
                })
                .collect(),
        }
    }

    #[test]
    fn a_tree_has_its_folders_its_numbers_and_says_what_is_not_listed() {
        let tree = shown(&request(
            &["photos/a.jpg", "photos/b.jpg", "photos/old/c\u{1b}[2J.jpg"],
            5,
        ));
        let lines: Vec<&str> = tree.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "photos (5 files, 3.0 kB):",
                "  photos/",
                "  1  a.jpg (1.0 kB)",
                "  2  b.jpg (1.0 kB)",
            ]
        );
        assert_eq!(lines[4], "  photos/old/");
        assert!(
            lines[5].starts_with("  3  c") && !lines[5].contains('\u{1b}'),
            "{}",
            lines[5]
        );
        assert_eq!(lines[6], "  and 2 more");
        assert_eq!(shown(&request(&["x.txt"], 1)), "x.txt (3.0 kB).");
        assert_eq!(shown(&request(&[], 7)), "photos (7 files, 3.0 kB).");
    }
}
