//! What can go wrong in the registry.

/// Why a publication was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The first registration decides whether a service is ephemeral or persistent, until it is cleaned away. The text
    /// is the one that clients of the existing server know.
    #[error("Current service {service} is {} service, can't register {} instance.",
        kind_name(*.existing_is_ephemeral), kind_name(!*.existing_is_ephemeral))]
    KindConflict {
        /// `group@@name`.
        service: String,
        /// The kind that the service has; the publication was of the other.
        existing_is_ephemeral: bool,
    },
}

fn kind_name(is_ephemeral: bool) -> &'static str {
    if is_ephemeral { "ephemeral" } else { "persistent" }
}
