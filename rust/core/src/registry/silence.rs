//! Who is about to expire: addresses whose beats are missing, before and after they count as unhealthy.

use super::Registry;
use serde::Serialize;

/// One address whose next deadline is near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Silent {
    namespace_id: String,
    group_name: String,
    service_name: String,
    ip: String,
    port: u16,
    cluster_name: String,
    /// False: it was silent for so long that what comes next is its removal.
    healthy: bool,
    /// Since its last beat.
    silent_ms: u64,
    /// Until it becomes unhealthy.
    unhealthy_in_ms: Option<u64>,
    /// Until it is removed.
    removed_in_ms: u64,
}

/// How the beats are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Addresses that this node waits for beats of.
    watched: usize,
    /// Those that become unhealthy within the time asked for, unless they beat.
    soon_unhealthy: usize,
    /// Those that are removed within that time, unless they beat.
    soon_removed: usize,
    /// Those whose deadline is nearest, of both kinds.
    nearest: Vec<Silent>,
}

impl Silence {
    /// As JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("writing to memory cannot fail")
    }
}

impl Registry {
    /// Looks who becomes unhealthy or is removed within `within_ms`, and shows the `show_count` whose time is nearest.
    pub fn silence(&self, now_ms: u64, within_ms: u64, show_count: usize) -> Silence {
        let mut near = self.beats.before(now_ms.saturating_add(within_ms));
        near.sort_unstable_by_key(|deadline| (deadline.due_ms, deadline.owner));
        let mut silence = Silence { watched: self.beats.len(), ..Silence::default() };
        for deadline in near {
            let publication = self.publications.get(deadline.owner);
            let entries = publication.value.entries.as_slice();
            let Some((first, metadata)) = self.beating(deadline.owner) else { continue };
            let healthy = entries.iter().any(|entry| entry.instance.healthy);
            let (beat_ms, delete_ms) = (metadata.beat_timeout_ms(), metadata.delete_timeout_ms());
            let becomes_unhealthy = healthy && beat_ms < delete_ms;
            let count = if becomes_unhealthy { &mut silence.soon_unhealthy } else { &mut silence.soon_removed };
            *count += 1;
            if silence.nearest.len() == show_count {
                continue;
            }
            let key = &self.services.get(publication.subject).key;
            let after = |timeout_ms: u64| deadline.since_ms.saturating_add(timeout_ms).saturating_sub(now_ms);
            silence.nearest.push(Silent {
                namespace_id: key.namespace().to_owned(),
                group_name: key.group().to_owned(),
                service_name: key.name().to_owned(),
                ip: first.ip.as_ref().to_owned(),
                port: first.port,
                cluster_name: first.cluster.as_str().to_owned(),
                healthy,
                silent_ms: now_ms.saturating_sub(deadline.since_ms),
                unhealthy_in_ms: becomes_unhealthy.then(|| after(beat_ms)),
                removed_in_ms: after(delete_ms),
            });
        }
        silence
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, Publisher, Registry};

    #[test]
    fn the_silent_are_counted_and_the_nearest_shown() {
        let mut registry = Registry::new([7; 16]);
        let mut register = |port: u16, at_ms: u64| {
            let publisher = Publisher::address("10.0.0.1", port, true);
            registry.publish(&publisher, ("n", "g", "a"), vec![Instance::new("10.0.0.1", port)], at_ms).expect("taken");
        };
        register(1, 0);
        register(2, 1_000);
        register(3, 14_000);
        let counts = |silence: &super::Silence| (silence.watched, silence.soon_unhealthy, silence.soon_removed);
        let silence = registry.silence(14_000, 5_000, 1);
        assert_eq!(counts(&silence), (3, 2, 0));
        let [nearest] = &silence.nearest[..] else { panic!("one was asked for") };
        assert_eq!((nearest.port, nearest.silent_ms, nearest.healthy), (1, 14_000, true));
        assert_eq!((nearest.unhealthy_in_ms, nearest.removed_in_ms), (Some(1_000), 16_000));
        registry.expire(15_001, true);
        let silence = registry.silence(26_000, 5_000, 10);
        assert_eq!(counts(&silence), (3, 2, 1), "the second is late, the third and the first are near");
        assert_eq!(silence.nearest.iter().map(|one| one.port).collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!((silence.nearest[2].unhealthy_in_ms, silence.nearest[2].removed_in_ms), (None, 4_000));
    }
}
