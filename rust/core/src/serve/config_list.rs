//! Configs that were found, as JSON.

use super::Hub;
use crate::configs::{ConfigKey, Found, Search, StoredConfig};
use serde::{Serialize, Serializer as _};

const CONFIG_BYTES_ABOUT: usize = 256;

/// In the words of v1 and v2.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrapper<'a> {
    id: String,
    data_id: &'a str,
    group: &'a str,
    content: Option<&'a str>,
    md5: &'a str,
    encrypted_data_key: &'a str,
    tenant: &'a str,
    app_name: &'a str,
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<u64>,
}

/// In the words of v3.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BasicInfo<'a> {
    id: String,
    namespace_id: &'a str,
    group_name: &'a str,
    data_id: &'a str,
    md5: &'a str,
    r#type: &'a str,
    app_name: &'a str,
    create_time: u64,
    modify_time: u64,
}

impl Hub {
    /// Carries on with a search for a bounded time; returns whether it is done.
    pub fn search_configs(&self, search: &mut Search) -> bool {
        self.state.configs.search(search)
    }
}

/// How configs are shown in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In the words of v1 and v2.
    Whole,
    /// The same without contents.
    WithoutContent,
    /// In the words of v3, which has no contents there.
    Basic,
}

/// A JSON array of configs.
pub fn found_list(found: &[Found], shown: Shown) -> Vec<u8> {
    let with_content = shown == Shown::Whole;
    let content_bytes = if with_content { found.iter().map(|(_, config)| config.content.len()).sum() } else { 0 };
    let mut list = Vec::with_capacity(found.len() * CONFIG_BYTES_ABOUT + content_bytes);
    let mut writer = serde_json::Serializer::new(&mut list);
    let found = found.iter().map(|(key, config)| (key, &**config));
    let written = match shown {
        Shown::Whole => writer.collect_seq(found.map(whole)),
        Shown::WithoutContent => writer.collect_seq(found.map(wrapper)),
        Shown::Basic => writer.collect_seq(found.map(basic_info)),
    };
    written.expect("texts and numbers can be written");
    list
}

/// What is not UTF-8 cannot have come from a client; it is shown as nothing rather than to refuse the whole page.
fn whole<'a>(found: (&'a ConfigKey, &'a StoredConfig)) -> Wrapper<'a> {
    Wrapper { content: std::str::from_utf8(&found.1.content).ok(), last_modified: None, ..wrapper(found) }
}

fn wrapper<'a>((key, config): (&'a ConfigKey, &'a StoredConfig)) -> Wrapper<'a> {
    Wrapper {
        id: config.id().to_string(),
        data_id: key.name(),
        group: key.group(),
        content: None,
        md5: config.md5(),
        encrypted_data_key: &config.encrypted_data_key,
        tenant: key.namespace(),
        app_name: &config.app_name,
        r#type: &config.kind,
        last_modified: Some(config.modified_ms),
    }
}

fn basic_info<'a>((key, config): (&'a ConfigKey, &'a StoredConfig)) -> BasicInfo<'a> {
    BasicInfo {
        id: config.id().to_string(),
        namespace_id: key.namespace(),
        group_name: key.group(),
        data_id: key.name(),
        md5: config.md5(),
        r#type: &config.kind,
        app_name: &config.app_name,
        create_time: config.created_ms,
        modify_time: config.modified_ms,
    }
}
