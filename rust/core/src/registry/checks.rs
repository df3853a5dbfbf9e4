//! Which persistent instances this node has to check, and how (protocol/semantics.md section 3, "Health checks").

use super::Registry;
use super::declared::{ClusterRecord, HealthChecker};
use super::model::Publisher;
use serde::Serialize;

/// One persistent instance and how its cluster says that it is checked.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckedInstance<'a> {
    namespace_id: &'a str,
    group_name: &'a str,
    service_name: &'a str,
    ip: &'a str,
    port: u16,
    cluster_name: &'a str,
    healthy: bool,
    /// The instance's own, or the one that its cluster names.
    check_port: u16,
    health_checker: HealthChecker,
}

impl CheckedInstance<'_> {
    /// An array of them as JSON.
    pub fn list_to_json(list: &[Self]) -> Vec<u8> {
        serde_json::to_vec(list).expect("writing to memory cannot fail")
    }
}

impl Registry {
    /// Goes on through the publishers at place `from` and looks at no more than `look_count` of them. Gives the instances
    /// among them that this node checks, and where to go on; none at the end of a round.
    pub fn checked_instances(&self, from: usize, look_count: usize) -> (Vec<CheckedInstance<'_>>, Option<usize>) {
        let (persistent, next) = self.publishers.persistent_from(from, look_count);
        let mut found = Vec::new();
        for holder in persistent {
            let Publisher::Address { ip, port, .. } = &self.publishers.get(holder).publisher else { continue };
            if self.is_responsible(ip, *port) {
                self.add_checked(holder, &mut found);
            }
        }
        (found, next)
    }

    fn add_checked<'a>(&'a self, holder: u32, found: &mut Vec<CheckedInstance<'a>>) {
        for link in self.publications.of_holder(holder) {
            let publication = self.publications.get(link);
            let service = self.services.get(publication.subject);
            let said = service.declared.as_ref().and_then(|declared| declared.service.as_ref());
            for entry in publication.value.entries.as_slice() {
                let instance = &entry.instance;
                let cluster = instance.cluster.as_str();
                let record = said.and_then(|said| said.clusters.get(cluster)).cloned().unwrap_or_default();
                let ClusterRecord { health_checker, healthy_check_port, use_instance_port_for_check, .. } = record;
                if health_checker == HealthChecker::None {
                    continue;
                }
                found.push(CheckedInstance {
                    namespace_id: service.key.namespace(),
                    group_name: service.key.group(),
                    service_name: service.key.name(),
                    ip: &instance.ip,
                    port: instance.port,
                    cluster_name: cluster,
                    healthy: instance.healthy,
                    check_port: if use_instance_port_for_check { instance.port } else { healthy_check_port },
                    health_checker,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, MetadataChange, Publisher, Registry};

    const KEY: (&str, &str, &str) = ("public", "g", "a");

    fn registry(count: u16) -> Registry {
        let mut registry = Registry::new([7; 16]);
        for port in 0..count {
            let publisher = Publisher::address("10.0.0.1", port, false);
            registry.publish(&publisher, KEY, vec![Instance::new("10.0.0.1", port)], 1).expect("it is taken");
        }
        registry
    }

    fn set_cluster(registry: &mut Registry, checker: &str) {
        let change = format!(
            r#"{{"change":"cluster.update","clusterName":"DEFAULT","cluster":{{"healthChecker":{checker},
                "healthyCheckPort":81,"useInstancePortForCheck":false}}}}"#
        );
        let change: MetadataChange = serde_json::from_str(&change).expect("it is a change");
        registry.change_metadata(KEY, change, 2).expect("it is taken");
    }

    fn ports(registry: &Registry, look_count: usize) -> Vec<u16> {
        let (mut ports, mut from) = (Vec::new(), Some(0));
        while let Some(place) = from {
            let (found, next) = registry.checked_instances(place, look_count);
            assert!(found.len() <= look_count);
            ports.extend(found.iter().map(|instance| instance.port));
            from = next;
        }
        ports
    }

    #[test]
    fn a_round_meets_every_persistent_instance_once() {
        let mut registry = registry(10);
        let ephemeral = Publisher::address("10.0.0.2", 80, true);
        let other = ("public", "g", "b");
        registry.publish(&ephemeral, other, vec![Instance::new("10.0.0.2", 80)], 1).expect("it is taken");
        for look_count in [1, 3, 100] {
            assert_eq!(ports(&registry, look_count), (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn members_share_the_instances() {
        let registries = ["x", "y"].map(|id| {
            let mut registry = registry(100);
            registry.set_members(id, ["x", "y"]);
            registry
        });
        let [one, other] = registries.each_ref().map(|registry| ports(registry, 100));
        assert!(!one.is_empty() && !other.is_empty());
        let mut both = [one, other].concat();
        both.sort_unstable();
        assert_eq!(both, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_cluster_says_how_and_where_and_whether() {
        let mut registry = registry(1);
        let (found, _) = registry.checked_instances(0, 10);
        assert_eq!((found[0].port, found[0].check_port), (0, 0));
        assert_eq!(serde_json::to_value(&found[0]).expect("it is JSON")["healthChecker"]["type"], "TCP");
        set_cluster(&mut registry, r#"{"type":"HTTP","path":"/x"}"#);
        let (found, _) = registry.checked_instances(0, 10);
        assert_eq!(found[0].check_port, 81);
        assert_eq!(serde_json::to_value(&found[0]).expect("it is JSON")["healthChecker"]["path"], "/x");
        set_cluster(&mut registry, r#"{"type":"NONE"}"#);
        assert!(ports(&registry, 10).is_empty());
    }
}
