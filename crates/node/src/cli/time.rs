//! Times for people.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// A duration that is given, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds(pub(super) u64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration: SignedDuration =
            text.parse().map_err(|error: jiff::Error| error.to_string())?;
        match u64::try_from(duration.as_secs()) {
            Ok(seconds) if seconds > 0 => Ok(Self(seconds)),
            _ => Err("it has to be a second at least".to_owned()),
        }
    }
}

/// How long ago a time of the API was, such as `2h 5m ago`.
pub(super) fn age(time: &str) -> String {
    let Ok(at) = time.parse::<Timestamp>() else { return "at an unknown time".to_owned() };
    let age = Timestamp::now().duration_since(at);
    if age < SignedDuration::from_secs(1) {
        return "just now".to_owned();
    }
    format!("{} ago", rounded(age))
}

/// A time of the API and how long ago it was.
pub(super) fn with_age(time: &str) -> String {
    format!("{time} ({})", age(time))
}

/// The two largest units of a duration.
fn rounded(age: SignedDuration) -> String {
    let seconds = age.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let parts = units.iter().enumerate().filter_map(|(at, (unit, name))| {
        let count = rest / unit;
        rest %= unit;
        (at >= first && at < first + 2 && count > 0).then(|| format!("{count}{name}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let shown = |seconds| rounded(SignedDuration::from_secs(seconds));
        assert_eq!(shown(5), "5s");
        assert_eq!(shown(60), "1m");
        assert_eq!(shown(3_725), "1h 2m");
        assert_eq!(shown(200_000), "2d 7h");
    }
}
