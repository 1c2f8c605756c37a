//! Whether and when somebody is told. A function of what they chose, what happened, and the time.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mesh_protocol::http::{NotificationEvent, QuietHours, RoomNotices};
use mesh_protocol::ids::RoomId;

use crate::store::Choices;

/// One event as it concerns one person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) choices: &'a Choices,
    pub(super) event: NotificationEvent,
    pub(super) room: &'a RoomId,
    /// A message that names them.
    pub(super) mentioned: bool,
    /// They are looking at the room.
    pub(super) looking: bool,
    /// Unix milliseconds.
    pub(super) now: u64,
}

/// The time at which they are told, or `None` for never. Quiet hours swallow everything but missed calls, which are told at
/// their end: an unanswered person is worth an answer in the morning, and the rest stands in the room.
pub(super) fn told_at(case: &Case<'_>) -> Option<u64> {
    let Case { choices, event, .. } = *case;
    let on = choices.events.get(&event).copied().unwrap_or(true);
    if case.looking || choices.muted || !on {
        return None;
    }
    match choices.rooms.get(case.room).copied().unwrap_or_default() {
        RoomNotices::None => return None,
        RoomNotices::Mentions if event == NotificationEvent::ChatMessageCreated && !case.mentioned => {
            return None;
        }
        RoomNotices::All | RoomNotices::Mentions => {}
    }
    match choices
        .quiet_hours
        .as_ref()
        .and_then(|quiet| quiet_until(quiet, case.now))
    {
        None => Some(case.now),
        Some(end) if event == NotificationEvent::CallMissed => Some(end),
        Some(_) => None,
    }
}

fn time(text: &str) -> Option<Time> {
    Time::strptime("%H:%M", text).ok()
}

/// The times and the zone are such.
pub(crate) fn check_quiet_hours(quiet: &QuietHours) -> Result<(), &'static str> {
    let (Some(from), Some(to)) = (time(&quiet.from), time(&quiet.to)) else {
        return Err("quiet_hours: from and to are times such as 22:00");
    };
    if from == to {
        return Err("quiet_hours: from and to must differ; to be told of nothing, set muted");
    }
    if quiet.zone.len() > 64 || TimeZone::get(&quiet.zone).is_err() {
        return Err("quiet_hours: zone is a name of the IANA time zone database, such as Europe/Paris");
    }
    Ok(())
}

/// Where `now` is within them, when they end. What cannot be read is no quiet hours.
fn quiet_until(quiet: &QuietHours, now: u64) -> Option<u64> {
    let (from, to) = (time(&quiet.from)?, time(&quiet.to)?);
    let zone = TimeZone::get(&quiet.zone).ok()?;
    let here: Zoned = Timestamp::from_millisecond(i64::try_from(now).ok()?)
        .ok()?
        .to_zoned(zone.clone());
    let clock = here.time();
    let inside = if from < to {
        from <= clock && clock < to
    } else {
        from <= clock || clock < to
    };
    if !inside {
        return None;
    }
    let day = if clock < to {
        here.date()
    } else {
        here.date().tomorrow().ok()?
    };
    let end = day.to_datetime(to).to_zoned(zone).ok()?;
    u64::try_from(end.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(from: &str, to: &str, zone: &str) -> QuietHours {
        QuietHours {
            from: from.into(),
            to: to.into(),
            zone: zone.into(),
        }
    }

    fn at(text: &str) -> u64 {
        let stamp: Timestamp = text.parse().unwrap();
        u64::try_from(stamp.as_millisecond()).unwrap()
    }

    #[test]
    fn who_is_told_follows_the_model() {
        let room: RoomId = "r".parse().unwrap();
        let (noon, night) = (at("2026-06-01T12:00:00Z"), at("2026-06-01T23:00:00Z"));
        let morning = at("2026-06-02T07:00:00Z");
        let mut cases = 0;
        for event in NotificationEvent::ALL {
            for n in 0..(1 << 7) {
                let bit = |at: u32| n & (1 << at) != 0;
                let (muted, off, mentions, none) = (bit(0), bit(1), bit(2), bit(3));
                let (mentioned, looking, is_night) = (bit(4), bit(5), bit(6));
                let mut choices = Choices {
                    muted,
                    quiet_hours: Some(quiet("22:00", "07:00", "UTC")),
                    ..Choices::default()
                };
                choices.events.insert(event, !off);
                if mentions {
                    choices.rooms.insert(room.clone(), RoomNotices::Mentions);
                }
                if none {
                    choices.rooms.insert(room.clone(), RoomNotices::None);
                }
                let now = if is_night { night } else { noon };
                let told = told_at(&Case {
                    choices: &choices,
                    event,
                    room: &room,
                    mentioned,
                    looking,
                    now,
                });
                let chat = event == NotificationEvent::ChatMessageCreated;
                let wanted = !muted && !off && !none && !looking && (!mentions || !chat || mentioned);
                let call = event == NotificationEvent::CallMissed;
                let model = match (wanted, is_night) {
                    (false, _) => None,
                    (true, false) => Some(noon),
                    (true, true) => call.then_some(morning),
                };
                assert_eq!(told, model, "{event:?} {n:07b}");
                cases += 1;
            }
        }
        assert_eq!(cases, 5 * 128);
    }

    #[test]
    fn quiet_hours_are_those_of_the_zone_also_when_the_clocks_change() {
        let paris = quiet("22:00", "07:00", "Europe/Paris");
        // Winter is an hour ahead of UTC, summer two.
        assert_eq!(quiet_until(&paris, at("2026-01-10T20:59:59Z")), None);
        assert_eq!(
            quiet_until(&paris, at("2026-01-10T21:00:00Z")),
            Some(at("2026-01-11T06:00:00Z"))
        );
        assert_eq!(
            quiet_until(&paris, at("2026-07-10T20:00:00Z")),
            Some(at("2026-07-11T05:00:00Z"))
        );
        // In the night of 29 March 2026 the clocks go forward.
        assert_eq!(
            quiet_until(&paris, at("2026-03-28T22:00:00Z")),
            Some(at("2026-03-29T05:00:00Z"))
        );
        assert_eq!(
            quiet_until(&paris, at("2026-03-29T00:30:00Z")),
            Some(at("2026-03-29T05:00:00Z"))
        );
        let lunch = quiet("12:00", "13:00", "UTC");
        assert_eq!(
            quiet_until(&lunch, at("2026-01-10T12:00:00Z")),
            Some(at("2026-01-10T13:00:00Z"))
        );
        assert_eq!(quiet_until(&lunch, at("2026-01-10T13:00:00Z")), None);
    }

    #[test]
    fn what_is_no_time_or_no_zone_is_refused() {
        assert_eq!(
            check_quiet_hours(&quiet("22:00", "07:00", "America/New_York")),
            Ok(())
        );
        for (from, to, zone) in [
            ("22", "07:00", "UTC"),
            ("24:01", "07:00", "UTC"),
            ("07:00", "07:00", "UTC"),
            ("22:00", "07:00", "Europe/Atlantis"),
            ("22:00", "07:00", "../../etc/passwd"),
        ] {
            assert!(
                check_quiet_hours(&quiet(from, to, zone)).is_err(),
                "{from} {to} {zone}"
            );
        }
    }
}
