//! Publications of configs as tuples: the time, and the fields in the order in which the commands of the log have them.

use bytes::Bytes;
use nacos_core::configs::{Config, Publication};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::borrow::Fields;

const FIELDS_COUNT: usize = 16;

/// One after the other, as each is wanted. Borrows what only names something, and copies what is to be kept.
pub fn read<'a>(held: &'a Bound<'_, PyTuple>) -> impl Iterator<Item = PyResult<Publication<'a>>> {
    Fields::of_each(held, 2).map(|item| publication(item?))
}

fn publication<'a>(item: Fields<'a, '_>) -> PyResult<Publication<'a>> {
    let now_ms: u64 = item.extract(0)?;
    let fields = item.fields(1, FIELDS_COUNT)?;
    let text = |at: usize| fields.text(at).map(Box::from);
    let optional = |at: usize| fields.optional_text(at).map(|text| text.map(Box::from));
    let config = Config {
        content: Bytes::copy_from_slice(fields.bytes(3)?),
        kind: text(4)?,
        encrypted_data_key: text(7)?,
        description: optional(8)?,
        app_name: optional(9)?.unwrap_or_default(),
        tags: optional(10)?,
        usage: optional(11)?,
        effect: optional(12)?,
        schema: optional(13)?,
        create_user: optional(14)?,
        create_ip: optional(15)?,
        // The store keeps the time of creation of a config that exists.
        created_ms: now_ms,
        modified_ms: now_ms,
    };
    let key = (fields.text(0)?, fields.text(1)?, fields.text(2)?);
    Ok(Publication { key, config, cas_md5: fields.text(5)?, create_only: fields.extract(6)? })
}
