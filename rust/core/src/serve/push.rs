//! Pushes down the streams of gRPC clients. When to push is decided above; here they are rendered and sent.

use super::answers::json_string;
use super::{ConnectionId, Hub, ServiceName};
use crate::registry::View;

impl Hub {
    /// Sends any request of the server's. `fields` is a JSON object. `None` if the connection has no stream.
    pub fn push(&mut self, id: ConnectionId, kind: &str, module: &str, fields: &[u8]) -> Option<u64> {
        let request_id = self.next_request_id();
        let mut body = open(request_id);
        let inner = fields.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(b"");
        if !inner.is_empty() {
            body.push(b',');
            body.extend_from_slice(inner);
        }
        close(&mut body, module);
        self.with(id, |connection, state| connection.push(state, kind, &[&body]))?.then_some(request_id)
    }

    /// Sends the service as it is now to every subscriber.
    pub fn push_service(&mut self, service: &ServiceName<'_>, now_ms: u64) -> Vec<(ConnectionId, u64)> {
        self.state.now_ms = now_ms;
        let mut subscribers: Vec<(String, ConnectionId)> = self
            .state
            .registry
            .subscribers(service.key())
            .map(|(connection, clusters)| (clusters.to_owned(), connection))
            .collect();
        // Each view is rendered once.
        subscribers.sort_unstable();
        let mut sent = Vec::with_capacity(subscribers.len());
        let mut rendered: Option<(String, Vec<u8>)> = None;
        for (clusters, connection) in subscribers {
            let info = match rendered.take() {
                Some((same, info)) if same == clusters => info,
                _ => self.render(service, &clusters),
            };
            sent.extend(self.push_rendered(connection, &info).map(|request_id| (connection, request_id)));
            rendered = Some((clusters, info));
        }
        sent
    }

    /// Sends the service as it is now to one subscriber. `None` if it is not subscribed or has no stream.
    pub fn push_service_to(&mut self, id: ConnectionId, service: &ServiceName<'_>, now_ms: u64) -> Option<u64> {
        self.state.now_ms = now_ms;
        let clusters = self.state.registry.subscription(id, service.key())?.to_owned();
        let info = self.render(service, &clusters);
        self.push_rendered(id, &info)
    }

    /// Tells the gRPC listeners of the config that it has changed, but for those whose version of it has not.
    pub fn push_config_change(&mut self, key: (&str, &str, &str)) -> Vec<(ConnectionId, u64)> {
        let listeners: Vec<ConnectionId> =
            self.state.configs.outdated_listeners(key).map(|(connection, _)| connection).collect();
        listeners
            .into_iter()
            .filter_map(|connection| Some((connection, self.push_config_change_to(connection, key)?)))
            .collect()
    }

    /// Tells one listener. `None` if it does not listen any more or has no stream.
    pub fn push_config_change_to(&mut self, id: ConnectionId, key: (&str, &str, &str)) -> Option<u64> {
        let tenant = self.state.configs.listener_tenant(id, key)?.to_owned();
        self.state.configs.notified(id, key);
        let (_, group, data_id) = key;
        let request_id = self.next_request_id();
        let mut body = open(request_id);
        body.extend_from_slice(b",\"dataId\":");
        json_string(&mut body, data_id);
        body.extend_from_slice(b",\"group\":");
        json_string(&mut body, group);
        // A blank tenant is left out, so that it meets the "" of old clients (protocol/grpc.md section 4).
        if !tenant.is_empty() {
            body.extend_from_slice(b",\"tenant\":");
            json_string(&mut body, &tenant);
        }
        close(&mut body, "config");
        self.with(id, |connection, state| connection.push(state, "ConfigChangeNotifyRequest", &[&body]))?
            .then_some(request_id)
    }

    fn render(&mut self, service: &ServiceName<'_>, clusters: &str) -> Vec<u8> {
        let mut info = Vec::new();
        let view = View { clusters, healthy_only: false, grouped_name: false };
        self.state.registry.write_service_info(service.key(), &view, self.state.now_ms, &mut info);
        info
    }

    fn push_rendered(&mut self, id: ConnectionId, info: &[u8]) -> Option<u64> {
        let request_id = self.next_request_id();
        let mut start = open(request_id);
        start.extend_from_slice(b",\"serviceInfo\":");
        let body: [&[u8]; 3] = [&start, info, b",\"module\":\"naming\"}"];
        self.with(id, |connection, state| connection.push(state, "NotifySubscriberRequest", &body))?
            .then_some(request_id)
    }

    fn next_request_id(&mut self) -> u64 {
        self.state.last_request_id += 1;
        self.state.last_request_id
    }
}

/// Rust's client needs the `headers` key to exist (protocol/grpc.md section 1.2).
fn open(request_id: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(192);
    body.extend_from_slice(b"{\"headers\":{},\"requestId\":\"");
    body.extend_from_slice(itoa::Buffer::new().format(request_id).as_bytes());
    body.push(b'"');
    body
}

fn close(body: &mut Vec<u8>, module: &str) {
    body.extend_from_slice(b",\"module\":");
    json_string(body, module);
    body.push(b'}');
}
