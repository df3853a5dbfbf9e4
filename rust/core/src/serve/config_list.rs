//! The configs of a namespace as JSON: there may be a hundred thousand, and no paging in the protocol.

use super::Hub;
use crate::configs::{ConfigKey, StoredConfig};
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
    last_modified: u64,
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
    /// A JSON array of all configs of a namespace without their contents, in order of group and data id.
    pub fn config_list(&self, namespace: &str, v3: bool) -> Vec<u8> {
        let configs = self.state.configs.iter_namespace(namespace);
        let mut list = Vec::with_capacity(self.state.configs.count_in(namespace) * CONFIG_BYTES_ABOUT);
        let mut writer = serde_json::Serializer::new(&mut list);
        let written =
            if v3 { writer.collect_seq(configs.map(basic_info)) } else { writer.collect_seq(configs.map(wrapper)) };
        written.expect("texts and numbers can be written");
        list
    }
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
        last_modified: config.modified_ms,
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
