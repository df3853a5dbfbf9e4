//! Fuzzy watches over gRPC (protocol/grpc.md sections 4.1 and 5.1). What watchers are told, and when, is decided above.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::State;
use super::event::{Event, FuzzyWatched, Watchable};
use super::grpc::{Call, INVALID_PARAMETER, Outcome, close_ok, failure, malformed, open_ok, read};
use super::input::{DEFAULT_NAMESPACE, check_length};
use super::text::Text;
use crate::limits::{FUZZY_MATCHES_COUNT_MAX, FUZZY_PATTERN_CHARACTERS_MAX, FUZZY_RECEIVED_COUNT_MAX};
use crate::registry::{FuzzyPattern, ResourceKey};

const TOO_MANY_PATTERNS: u32 = 50310;
const TOO_MANY_MATCHES: u32 = 50311;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FuzzyWatchRequest<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    group_key_pattern: Option<Text<'a>>,
    #[serde(borrow)]
    received_group_keys: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    watch_type: Option<Text<'a>>,
    initializing: bool,
}

impl Watchable {
    fn answer(self) -> &'static str {
        match self {
            Self::Services => "NamingFuzzyWatchResponse",
            Self::Configs => "ConfigFuzzyWatchResponse",
        }
    }

    /// `namespace@@group@@service`, or `dataId+group+namespace` with `%2B` and `%25` for `+` and `%`.
    fn read_key(self, text: &str) -> Option<ResourceKey> {
        let separator = if self == Self::Services { "@@" } else { "+" };
        let mut parts = text.splitn(3, separator);
        let parts = (parts.next()?, parts.next()?, parts.next()?);
        Some(match self {
            Self::Services => ResourceKey::new(parts),
            Self::Configs => {
                let (data_id, group, namespace) = (unescape(parts.0), unescape(parts.1), unescape(parts.2));
                ResourceKey::new((&namespace, &group, &data_id))
            }
        })
    }
}

pub(super) fn fuzzy_watch(state: &mut State, call: &Call<'_>, of: Watchable) -> Outcome {
    let Some(request) = read::<FuzzyWatchRequest<'_>>(call) else {
        return malformed(state);
    };
    let connection = call.client.connection;
    let text = request.group_key_pattern.as_deref().unwrap_or("");
    let refused = match request.watch_type.as_deref().unwrap_or("") {
        "WATCH" => match watch(state, connection, of, &request, text) {
            Ok(true) => Ok(()),
            Ok(false) => return Outcome::Unfinished,
            Err(refused) => Err(refused),
        },
        "CANCEL_WATCH" => {
            match of {
                Watchable::Services => state.registry.unwatch(connection, text),
                Watchable::Configs => state.configs.unwatch(connection, text),
            };
            Ok(())
        }
        other => Err((INVALID_PARAMETER, format!("watchType {other:?} is not known: WATCH and CANCEL_WATCH are"))),
    };
    if let Err((code, message)) = refused {
        return failure(state, of.answer(), code, &message);
    }
    open_ok(&mut state.body, request.request_id.as_deref(), None);
    close_ok(&mut state.body);
    Outcome::Answer(of.answer())
}

/// False if there is more to look through before it is known what the watcher has to be told.
fn watch(
    state: &mut State,
    connection: u64,
    of: Watchable,
    request: &FuzzyWatchRequest<'_>,
    text: &str,
) -> Result<bool, (u32, String)> {
    let invalid = |message: String| (INVALID_PARAMETER, message);
    check_length("groupKeyPattern", text, FUZZY_PATTERN_CHARACTERS_MAX).map_err(|error| invalid(error.to_string()))?;
    let pattern = FuzzyPattern::read(text, DEFAULT_NAMESPACE)
        .ok_or_else(|| invalid(format!("groupKeyPattern {text:?} is not namespace>>group>>name")))?;
    let received = request.received_group_keys.as_deref().unwrap_or_default();
    if received.len() > FUZZY_RECEIVED_COUNT_MAX {
        let count = received.len();
        return Err(invalid(format!("{count} receivedGroupKeys, at most {FUZZY_RECEIVED_COUNT_MAX} are allowed")));
    }
    let keys = received.iter().map(|key| {
        of.read_key(key).ok_or_else(|| invalid(format!("receivedGroupKeys: {key:?} has not the form of a key")))
    });
    let received = keys.collect::<Result<BTreeSet<_>, _>>()?;
    let difference = match of {
        Watchable::Services => state.registry.watch(connection, &pattern, &received),
        Watchable::Configs => state.configs.watch(connection, &pattern, &received),
    };
    let Some(difference) = difference.map_err(|error| (TOO_MANY_PATTERNS, error.to_string()))? else {
        return Ok(false);
    };
    state.events.push(Event::FuzzyWatched(FuzzyWatched {
        connection,
        of,
        pattern: text.to_owned(),
        is_initial: request.initializing,
        keys: difference.keys,
    }));
    if difference.is_over_limit {
        let message =
            format!("{text} is watched, but there is more like it than the {FUZZY_MATCHES_COUNT_MAX} that are told");
        return Err((TOO_MANY_MATCHES, message));
    }
    Ok(true)
}

fn unescape(part: &str) -> String {
    part.replace("%2B", "+").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_clients_write_them() {
        let read = |of: Watchable, text: &str| of.read_key(text).map(|key| key.to_string());
        assert_eq!(read(Watchable::Services, "public@@g@@a@@b").as_deref(), Some("public@@g@@a@@b"));
        assert_eq!(read(Watchable::Configs, "a%2Bb%252B+g+public").as_deref(), Some("public@@g@@a+b%2B"));
        assert_eq!(read(Watchable::Services, "public@@g"), None);
        assert_eq!(read(Watchable::Configs, "a+g"), None);
    }
}
