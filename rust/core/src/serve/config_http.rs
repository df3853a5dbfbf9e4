//! The config requests of the v1 and v3 client APIs that the core answers (protocol/http.md section 3,
//! protocol/semantics.md section 4.2). A config that is not here goes up: whether its name was right is decided there.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::State;
use super::answers::{self, Head};
use super::event::{Event, ListenKey, LongPoll};
use super::http::{Call, Outcome};
use super::input::DEFAULT_NAMESPACE;
use crate::configs::{Answer, Asker, Gray, KeyParts};
use crate::limits;

/// Between the parts of a key, and after each key.
const WORD_END: char = '\u{2}';
const LINE_END: char = '\u{1}';

/// Parameters that ask for something else than the content.
const OTHER_QUESTIONS: [&str; 5] = ["show", "search", "export", "exportV2", "beta"];

/// The parameter that asks for what is committed now: whether that is here is decided by the leader of the cluster.
const LINEARIZABLE: &str = "linearizable";

/// Java's URL encoder keeps these as they are.
const URL_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*');

pub fn get_v1(state: &mut State, call: &Call<'_>) -> Option<Outcome> {
    if OTHER_QUESTIONS.iter().any(|name| call.get(name).is_some()) || call.flag(LINEARIZABLE, false) {
        return None;
    }
    let key = (namespace(call.get("tenant")), call.get("group")?, call.get("dataId")?);
    write_v1(state, key, call.get("tag").is_some(), || call.asker()).map(Outcome::Answer)
}

/// Appends what a client gets of a config as the v1 API gives it, if it gets anything (see `Configs::config_for`).
pub fn write_v1<'a>(
    state: &mut State,
    key: KeyParts<'_>,
    by_tag: bool,
    who: impl FnOnce() -> Asker<'a>,
) -> Option<Head> {
    let Answer { config, gray } = state.configs.config_for(key, by_tag, who)?;
    state.body.extend_from_slice(&config.content);
    Some(answers::config_head(config, gray, &mut state.last_date))
}

pub fn get_v3(state: &mut State, call: &Call<'_>) -> Option<Outcome> {
    if call.flag(LINEARIZABLE, false) {
        return None;
    }
    let group = call.get("groupName").or_else(|| call.get("group"))?;
    let key = (namespace(call.get("namespaceId")), group, call.get("dataId")?);
    write_v3(state, key, call.get("tag").is_some(), || call.asker()).map(Outcome::Answer)
}

/// Appends what a client gets of a config as the v3 client API gives it, if it gets anything.
pub fn write_v3<'a>(
    state: &mut State,
    key: KeyParts<'_>,
    by_tag: bool,
    who: impl FnOnce() -> Asker<'a>,
) -> Option<Head> {
    let Answer { config, gray } = state.configs.config_for(key, by_tag, who)?;
    let body = &mut state.body;
    body.extend_from_slice(
        b"{\"code\":0,\"message\":\"success\",\"data\":{\"resultCode\":200,\"errorCode\":0,\"message\":null,\"requestId\":null,\"content\":",
    );
    answers::json_string(body, &String::from_utf8_lossy(&config.content));
    body.extend_from_slice(b",\"encryptedDataKey\":");
    answers::json_string(body, &config.encrypted_data_key);
    body.extend_from_slice(b",\"contentType\":");
    answers::json_string(body, &config.kind);
    body.extend_from_slice(b",\"md5\":");
    answers::json_string(body, config.md5());
    body.extend_from_slice(b",\"lastModified\":");
    body.extend_from_slice(itoa::Buffer::new().format(config.modified_ms).as_bytes());
    body.extend_from_slice(b",\"tag\":");
    match gray.and_then(Gray::tag) {
        Some(tag) => answers::json_string(body, tag),
        None => body.extend_from_slice(b"null"),
    }
    let is_beta = gray.is_some_and(Gray::is_beta);
    body.extend_from_slice(if is_beta { b",\"beta\":true" } else { b",\"beta\":false" });
    body.extend_from_slice(b",\"success\":true}}");
    Some(answers::OK_JSON)
}

/// Compares what the client has with what is here: answers if anything differs, else hands the hanging up.
pub fn listen(state: &mut State, call: &Call<'_>) -> Outcome {
    let Some(keys) = parse_keys(call.get("Listening-Configs").unwrap_or("")) else {
        state.body.extend_from_slice(b"caused: invalid probeModify;");
        return Outcome::Answer(answers::BAD_REQUEST_CONFIG);
    };
    let who = call.asker();
    let changed = keys.iter().filter(|(key, md5)| {
        let key = (namespace(key.tenant.as_deref()), &*key.group, &*key.data_id);
        let held = state.configs.md5_for(key, || who);
        held != md5
    });
    write_keys(&mut state.body, changed.map(|(key, _)| key));
    if !state.body.is_empty() {
        return Outcome::Answer(answers::OK_LISTENER);
    }
    let timeout_ms = call.request.header("long-pulling-timeout").and_then(|text| text.trim().parse::<u64>().ok());
    let hangs = call.request.header("long-pulling-timeout-no-hangup") != Some("true");
    match timeout_ms {
        Some(timeout_ms) if hangs => {
            let hang_ms = timeout_ms.saturating_sub(500).clamp(10_000, limits::LONG_POLL_MS_MAX);
            let (connection, call) = (call.connection, call.call);
            let (client_ip, tag) = (who.ip.to_owned(), who.tag.map(str::to_owned));
            state.events.push(Event::LongPoll(LongPoll { connection, call, client_ip, tag, keys, hang_ms }));
            Outcome::Hanging
        }
        _ => Outcome::Answer(answers::OK_CONFIG),
    }
}

/// Appends the keys as clients expect them: the same tenant form as sent, one line end after all of them.
pub fn write_keys<'a>(body: &mut Vec<u8>, keys: impl Iterator<Item = &'a ListenKey>) {
    for key in keys {
        let words = [Some(&key.data_id), Some(&key.group), key.tenant.as_ref()];
        for (position, word) in words.into_iter().flatten().enumerate() {
            if position > 0 {
                body.extend_from_slice(b"%02");
            }
            utf8_percent_encode(word, URL_ENCODED).for_each(|part| body.extend_from_slice(part.as_bytes()));
        }
        body.extend_from_slice(b"%01");
    }
    if !body.is_empty() {
        body.push(b'\n');
    }
}

fn parse_keys(text: &str) -> Option<Vec<(ListenKey, String)>> {
    let lines = text.strip_suffix(LINE_END)?;
    let mut keys = Vec::new();
    for line in lines.split(LINE_END) {
        let mut words = line.split(WORD_END);
        let (data_id, group, md5) = (words.next()?, words.next()?, words.next()?);
        let tenant = words.next();
        if data_id.is_empty() || group.is_empty() || words.next().is_some() {
            return None;
        }
        if keys.len() == limits::LISTEN_KEYS_COUNT_MAX {
            return None;
        }
        let key = ListenKey { data_id: data_id.to_owned(), group: group.to_owned(), tenant: tenant.map(str::to_owned) };
        keys.push((key, md5.to_owned()));
    }
    Some(keys)
}

/// A blank tenant is the default namespace (protocol/semantics.md section 1).
pub fn namespace(tenant: Option<&str>) -> &str {
    match tenant.map(str::trim) {
        None | Some("") => DEFAULT_NAMESPACE,
        Some(tenant) => tenant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_tenant_form_they_came_with() {
        let keys = parse_keys("a.yaml\u{2}G\u{2}md5\u{1}b\u{2}G\u{2}\u{2}t n\u{1}").expect("two keys");
        assert_eq!(keys[0].0.tenant, None);
        assert_eq!(keys[1].0.tenant.as_deref(), Some("t n"));
        let mut body = Vec::new();
        write_keys(&mut body, keys.iter().map(|(key, _)| key));
        assert_eq!(body, b"a.yaml%02G%01b%02G%02t%20n%01\n");
    }

    #[test]
    fn malformed_keys_are_refused() {
        for text in ["", "a", "a\u{2}b\u{1}", "a\u{2}b\u{2}c", "\u{2}b\u{2}c\u{1}", "a\u{2}b\u{2}c\u{2}d\u{2}e\u{1}"] {
            assert!(parse_keys(text).is_none(), "{text:?}");
        }
    }
}
