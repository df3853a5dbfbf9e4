//! How many configs there are and may be, and how large one may be (docs/quotas.md, protocol/semantics.md section 4,
//! "Size"). Quotas are counts of formal versions: gray releases do not count, and whoever changes what exists adds none.

use super::{ConfigKey, Configs, KeyParts};
use std::collections::BTreeMap;

/// What holds where nothing else is said; nothing is enforced until it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaDefaults {
    /// Whether anything is refused.
    pub enforced: bool,
    /// How many configs all namespaces may have together.
    pub cluster_count: usize,
    /// How many one namespace may have.
    pub namespace_count: usize,
    /// How many bytes a content may have.
    pub content_bytes: usize,
}

/// The quota of a namespace, or of a group of one. Where it was set, 0 says nothing, so that what is around it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    pub count: usize,
    pub content_bytes: usize,
}

impl Quota {
    /// What this one says, and for the rest what is around it.
    fn within(self, outer: Self) -> Self {
        let or = |own: usize, outer| if own == 0 { outer } else { own };
        Self { count: or(self.count, outer.count), content_bytes: or(self.content_bytes, outer.content_bytes) }
    }
}

/// Why a config is refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    #[error("the cluster has {count} configurations, and its quota is {limit}")]
    Cluster { count: usize, limit: usize },
    #[error("namespace '{namespace}' has {count} configurations, and its quota is {limit}")]
    Namespace { namespace: String, count: usize, limit: usize },
    #[error("group '{group}' of namespace '{namespace}' has {count} configurations, and its quota is {limit}")]
    Group { namespace: String, group: String, count: usize, limit: usize },
    #[error(
        "the content has {bytes} bytes, and a configuration of group '{group}' of namespace '{namespace}' may have {limit}"
    )]
    Size { namespace: String, group: String, bytes: usize, limit: usize },
}

/// How many configs there are in each namespace that has any, and in its groups.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<Box<str>, Count>);

#[derive(Debug, Default)]
struct Count {
    all: usize,
    groups: BTreeMap<Box<str>, usize>,
}

impl Counts {
    pub fn add(&mut self, key: &ConfigKey) {
        let count = entry(&mut self.0, key.namespace());
        count.all += 1;
        *entry(&mut count.groups, key.group()) += 1;
    }

    pub fn take(&mut self, key: &ConfigKey) {
        let Some(count) = self.0.get_mut(key.namespace()) else { return };
        count.all -= 1;
        if let Some(in_group) = count.groups.get_mut(key.group()) {
            *in_group -= 1;
            if *in_group == 0 {
                count.groups.remove(key.group());
            }
        }
        if count.all == 0 {
            self.0.remove(key.namespace());
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Of a namespace, or of one of its groups.
    pub fn of(&self, namespace: &str, group: Option<&str>) -> usize {
        let Some(count) = self.0.get(namespace) else { return 0 };
        group.map_or(count.all, |group| count.groups.get(group).copied().unwrap_or_default())
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As `BTreeMap::entry`, which would allocate the key each time.
fn entry<'a, Value: Default>(map: &'a mut BTreeMap<Box<str>, Value>, key: &str) -> &'a mut Value {
    if !map.contains_key(key) {
        map.insert(key.into(), Value::default());
    }
    map.get_mut(key).expect("it is there by now")
}

/// What was set.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    defaults: QuotaDefaults,
    /// Of namespaces, and of groups of them.
    own: BTreeMap<Box<str>, OwnQuota>,
}

#[derive(Debug, Default)]
struct OwnQuota {
    whole: Quota,
    groups: BTreeMap<Box<str>, Quota>,
}

impl Quotas {
    fn of(&self, namespace: &str, group: Option<&str>) -> Quota {
        let QuotaDefaults { namespace_count, content_bytes, .. } = self.defaults;
        let outer = Quota { count: namespace_count, content_bytes };
        let Some(own) = self.own.get(namespace) else { return outer };
        let whole = own.whole.within(outer);
        group.and_then(|group| own.groups.get(group)).map_or(whole, |own| own.within(whole))
    }
}

impl Configs {
    /// What holds from now on where nothing else is said. What exists stays, however much that is.
    pub fn set_quota_defaults(&mut self, defaults: QuotaDefaults) {
        self.quotas.defaults = defaults;
    }

    /// What was set for namespaces (no group) and groups of them, all of it: what is not named has no quota of its own.
    pub fn set_quotas<'a>(&mut self, quotas: impl IntoIterator<Item = (&'a str, Option<&'a str>, Quota)>) {
        self.quotas.own.clear();
        for (namespace, group, quota) in quotas {
            let own = entry(&mut self.quotas.own, namespace);
            *group.map_or(&mut own.whole, |group| entry(&mut own.groups, group)) = quota;
        }
    }

    /// What holds for a namespace, or for a group of it, whether it is enforced or not.
    pub fn quota(&self, namespace: &str, group: Option<&str>) -> Quota {
        self.quotas.of(namespace, group)
    }

    /// How many configs a namespace has, or a group of it.
    pub fn usage(&self, namespace: &str, group: Option<&str>) -> usize {
        self.counts.of(namespace, group)
    }

    /// Whether there may be one more config, of a key that has none.
    ///
    /// # Errors
    /// The widest quota that is used up.
    pub(super) fn check_room(&self, (namespace, group, _): KeyParts<'_>) -> Result<(), OverQuota> {
        let QuotaDefaults { enforced, cluster_count: limit, .. } = self.quotas.defaults;
        if !enforced {
            return Ok(());
        }
        if self.len() >= limit {
            return Err(OverQuota::Cluster { count: self.len(), limit });
        }
        let (limit, count) = (self.quota(namespace, None).count, self.usage(namespace, None));
        if count >= limit {
            return Err(OverQuota::Namespace { namespace: namespace.to_owned(), count, limit });
        }
        let (limit, count) = (self.quota(namespace, Some(group)).count, self.usage(namespace, Some(group)));
        if count >= limit {
            let (namespace, group) = (namespace.to_owned(), group.to_owned());
            return Err(OverQuota::Group { namespace, group, count, limit });
        }
        Ok(())
    }

    /// Whether a content is small enough.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn check_size(&self, (namespace, group, _): KeyParts<'_>, content: &[u8]) -> Result<(), OverQuota> {
        let limit = self.quota(namespace, Some(group)).content_bytes;
        if !self.quotas.defaults.enforced || content.len() <= limit {
            return Ok(());
        }
        let (namespace, group) = (namespace.to_owned(), group.to_owned());
        Err(OverQuota::Size { namespace, group, bytes: content.len(), limit })
    }
}
