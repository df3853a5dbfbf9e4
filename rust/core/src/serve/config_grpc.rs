//! The config requests over gRPC that the core answers (protocol/grpc.md section 4). A config that is not here goes
//! up: whether its name was right is decided there.

use serde::Deserialize;

use super::State;
use super::answers::json_string;
use super::config_http::namespace;
use super::grpc::{Call, INVALID_PARAMETER, Outcome, close_ok, failure, malformed, open_ok, read};
use super::text::Text;
use crate::configs::{Answer, Asker, Gray};
use crate::limits;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct QueryRequest<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    data_id: Option<Text<'a>>,
    #[serde(borrow)]
    group: Option<Text<'a>>,
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    #[serde(borrow)]
    tag: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListenRequest<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    listen: bool,
    #[serde(borrow)]
    config_listen_contexts: Vec<ListenContext<'a>>,
}

impl Default for ListenRequest<'_> {
    fn default() -> Self {
        Self { request_id: None, listen: true, config_listen_contexts: Vec::new() }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListenContext<'a> {
    #[serde(borrow)]
    data_id: Option<Text<'a>>,
    #[serde(borrow)]
    group: Option<Text<'a>>,
    #[serde(borrow)]
    tenant: Option<Text<'a>>,
    #[serde(borrow)]
    md5: Option<Text<'a>>,
}

pub(super) fn query(state: &mut State, call: &Call<'_>) -> Option<Outcome> {
    let Some(request) = read::<QueryRequest<'_>>(call) else {
        return Some(malformed(state));
    };
    let tag = request.tag.as_deref().filter(|tag| !tag.is_empty());
    let (group, data_id) = (request.group.as_deref()?, request.data_id.as_deref()?);
    let key = (namespace(request.tenant.as_deref()), group, data_id);
    let who = || Asker { tag: tag.or(call.asker().tag), ..call.asker() };
    let Answer { config, gray } = state.configs.config_for(key, tag.is_some(), who)?;
    let body = &mut state.body;
    open_ok(body, request.request_id.as_deref(), None);
    body.extend_from_slice(b",\"content\":");
    match std::str::from_utf8(&config.content) {
        Ok(content) => json_string(body, content),
        Err(_) => json_string(body, &String::from_utf8_lossy(&config.content)),
    }
    body.extend_from_slice(b",\"encryptedDataKey\":");
    json_string(body, &config.encrypted_data_key);
    body.extend_from_slice(b",\"contentType\":");
    json_string(body, &config.kind);
    body.extend_from_slice(b",\"md5\":");
    json_string(body, config.md5());
    body.extend_from_slice(b",\"lastModified\":");
    body.extend_from_slice(itoa::Buffer::new().format(config.modified_ms).as_bytes());
    body.extend_from_slice(if gray.is_some_and(Gray::is_beta) { b",\"beta\":true" } else { b",\"beta\":false" });
    // Only there if a tag decided: Go's and Python's clients take it for a bool (protocol/grpc.md section 4).
    if let Some(tag) = gray.and_then(Gray::tag) {
        body.extend_from_slice(b",\"tag\":");
        json_string(body, tag);
    }
    close_ok(body);
    Some(Outcome::Answer("ConfigQueryResponse"))
}

pub(super) fn batch_listen(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "ConfigChangeBatchListenResponse";
    let Some(request) = read::<ListenRequest<'_>>(call) else {
        return malformed(state);
    };
    let contexts = &request.config_listen_contexts;
    if contexts.len() > limits::LISTEN_KEYS_COUNT_MAX {
        let message =
            format!("{} configs to listen to, at most {} are allowed", contexts.len(), limits::LISTEN_KEYS_COUNT_MAX);
        return failure(state, ANSWER, INVALID_PARAMETER, &message);
    }
    open_ok(&mut state.body, request.request_id.as_deref(), None);
    state.body.extend_from_slice(b",\"changedConfigs\":[");
    let connection = call.client.connection;
    let who = call.asker();
    let mut is_first = true;
    for context in contexts {
        let data_id = context.data_id.as_deref().unwrap_or("");
        let group = context.group.as_deref().unwrap_or("");
        // Echoed exactly as sent, but never left out (Rust's client needs a string).
        let tenant = context.tenant.as_deref().unwrap_or("");
        let md5 = context.md5.as_deref().unwrap_or("");
        let key = (namespace(Some(tenant)), group, data_id);
        let changed = if request.listen {
            state.configs.listen(connection, &who, key, tenant, md5)
        } else {
            state.configs.unlisten(connection, key);
            state.configs.md5_for(key, || who) != md5
        };
        if !changed {
            continue;
        }
        let body = &mut state.body;
        body.extend_from_slice(if is_first { b"{\"group\":" } else { b",{\"group\":" });
        is_first = false;
        json_string(body, group);
        body.extend_from_slice(b",\"dataId\":");
        json_string(body, data_id);
        body.extend_from_slice(b",\"tenant\":");
        json_string(body, tenant);
        body.push(b'}');
    }
    state.body.push(b']');
    close_ok(&mut state.body);
    Outcome::Answer(ANSWER)
}
