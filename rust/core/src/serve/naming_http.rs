//! The naming requests of the v1 and v3 client APIs that the core answers (protocol/http.md sections 2 and 6.1).

use serde::Deserialize;

use super::answers::{self, Head};
use super::event::{Api, Event, PersistentInstance, UdpSubscribed};
use super::forwarded::is_misplaced;
use super::http::{Call, Outcome};
use super::input::{
    DEFAULT_CLUSTER, IdStyle, InputError, InstanceInput, MetadataInput, ServiceName, check_clusters, parse_metadata,
};
use super::snowflake::give_id;
use super::text::Text;
use super::{Refusal, State};
use crate::limits;
use crate::registry::{Beat, Publisher, View};

const BEAT_INTERVAL_MS: u64 = 5_000;

pub fn list_v1(state: &mut State, call: &Call<'_>) -> Outcome {
    let answered = (|| {
        let service = service(call)?;
        let clusters = call.get("clusters").unwrap_or("");
        check_clusters(clusters)?;
        let view = View { clusters, healthy_only: call.flag("healthyOnly", false), grouped_name: true };
        state.registry.write_service_info(service.key(), &view, state.now_ms, &mut state.body);
        note_udp_subscriber(state, call, &service, clusters);
        Ok(answers::OK_JSON)
    })();
    finish(state, call, Api::V1, answered)
}

/// What v1 answers, as a result.
pub fn list_v2(state: &mut State, call: &Call<'_>) -> Outcome {
    let answered = (|| {
        let service = service(call)?;
        let clusters = call.get("clusterName").or_else(|| call.get("clusters")).unwrap_or("");
        check_clusters(clusters)?;
        let view = View { clusters, healthy_only: call.flag("healthyOnly", false), grouped_name: true };
        state.body.extend_from_slice(b"{\"code\":0,\"message\":\"success\",\"data\":");
        state.registry.write_service_info(service.key(), &view, state.now_ms, &mut state.body);
        state.body.push(b'}');
        Ok(answers::OK_JSON)
    })();
    finish(state, call, Api::V3, answered)
}

pub fn list_v3(state: &mut State, call: &Call<'_>) -> Outcome {
    let answered = (|| {
        let service = service(call)?;
        let clusters = call.get("clusterName").unwrap_or(DEFAULT_CLUSTER);
        check_clusters(clusters)?;
        let view = View { clusters, healthy_only: false, grouped_name: true };
        state.body.extend_from_slice(b"{\"code\":0,\"message\":\"success\",\"data\":");
        state.registry.write_instances(service.key(), &view, state.now_ms, &mut state.body);
        state.body.push(b'}');
        Ok(answers::OK_JSON)
    })();
    finish(state, call, Api::V3, answered)
}

pub fn register_v1(state: &mut State, call: &Call<'_>) -> Outcome {
    register(state, call, Api::V1)
}

pub fn register_v2(state: &mut State, call: &Call<'_>) -> Outcome {
    register(state, call, Api::V3)
}

pub fn register_v3(state: &mut State, call: &Call<'_>) -> Outcome {
    if !call.flag("heartBeat", false) {
        return register(state, call, Api::V3);
    }
    let answered = (|| {
        let service = service(call)?;
        let (ip, port) = address(call)?;
        if is_misplaced(state, call, ip, port) {
            return Ok(None);
        }
        match state.registry.beat(ip, port, service.key(), state.now_ms) {
            Beat::Known { .. } => answers::result(&mut state.body, 0, "success", Some("ok")),
            Beat::Unknown => answers::result(&mut state.body, 21003, "instance not found", None),
        }
        Ok(Some(answers::OK_JSON))
    })();
    finish_here(state, call, Api::V3, answered)
}

pub fn deregister_v1(state: &mut State, call: &Call<'_>) -> Outcome {
    deregister(state, call, Api::V1)
}

pub fn deregister_v3(state: &mut State, call: &Call<'_>) -> Outcome {
    deregister(state, call, Api::V3)
}

pub fn service_list(state: &mut State, call: &Call<'_>) -> Outcome {
    let answered = (|| {
        let page_no = whole_number(call, "pageNo")?;
        let page_size = whole_number(call, "pageSize")?.clamp(0, limits::SERVICE_PAGE_COUNT_MAX as i64) as usize;
        // Any name stands in for the service: only namespace and group are asked for.
        let scope =
            ServiceName::new(call.get("namespaceId").unwrap_or(""), call.get("groupName").unwrap_or(""), "any")?;
        let (count, names) = state.registry.list_services(scope.namespace, scope.group, page_no, page_size);
        let body = &mut state.body;
        body.extend_from_slice(b"{\"count\":");
        body.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
        body.extend_from_slice(b",\"doms\":");
        serde_json::to_writer(&mut *body, &names).expect("writing to memory cannot fail");
        body.push(b'}');
        Ok(answers::OK_JSON)
    })();
    finish(state, call, Api::V1, answered)
}

/// What 1.x clients put into the `beat` parameter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BeatInput<'a> {
    #[serde(borrow)]
    ip: Text<'a>,
    port: i64,
    weight: Option<f64>,
    #[serde(borrow)]
    cluster: Option<Text<'a>>,
    #[serde(borrow)]
    metadata: Option<MetadataInput<'a>>,
}

/// A 1.x heartbeat; one that tells all about the instance registers it if it is unknown.
pub fn beat(state: &mut State, call: &Call<'_>) -> Outcome {
    let answered = (|| {
        let service = service(call)?;
        let full = match call.get("beat") {
            None => None,
            Some(text) => Some(
                serde_json::from_str::<BeatInput<'_>>(text)
                    .map_err(|_| InputError::Value { name: "beat", wanted: "a JSON object with ip and port" })?,
            ),
        };
        let (ip, port) = match &full {
            None => address(call)?,
            Some(beat) => (&*beat.ip, u16::try_from(beat.port).map_err(|_| InputError::Port)?),
        };
        if is_misplaced(state, call, ip, port) {
            return Ok(None);
        }
        let known = state.registry.beat(ip, port, service.key(), state.now_ms);
        let (interval_ms, code) = match (known, full) {
            (Beat::Known { interval_ms }, _) => (interval_ms, 10200),
            (Beat::Unknown, None) => (BEAT_INTERVAL_MS, 20404),
            (Beat::Unknown, Some(beat)) => (publish_beat(state, &service, beat)?, 10200),
        };
        let body = &mut state.body;
        body.extend_from_slice(b"{\"clientBeatInterval\":");
        body.extend_from_slice(itoa::Buffer::new().format(interval_ms).as_bytes());
        body.extend_from_slice(b",\"code\":");
        body.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
        body.extend_from_slice(b",\"lightBeatEnabled\":");
        body.extend_from_slice(if state.light_beat { b"true}" } else { b"false}" });
        Ok(Some(answers::OK_JSON))
    })();
    finish_here(state, call, Api::V1, answered)
}

fn publish_beat(state: &mut State, service: &ServiceName<'_>, beat: BeatInput<'_>) -> Result<u64, Refusal> {
    let mut input = InstanceInput {
        ip: Some(beat.ip),
        port: beat.port,
        weight: beat.weight,
        cluster_name: beat.cluster,
        metadata: beat.metadata,
        ..InstanceInput::default()
    };
    give_id(state, &mut input, service);
    let instance = input.into_instance(service, true, IdStyle::Grouped)?;
    let publisher = Publisher::address(&instance.ip, instance.port, true);
    let (ip, port) = (instance.ip.clone(), instance.port);
    state.registry.publish(&publisher, service.key(), vec![instance], state.now_ms)?;
    match state.registry.beat(&ip, port, service.key(), state.now_ms) {
        Beat::Known { interval_ms } => Ok(interval_ms),
        Beat::Unknown => Ok(BEAT_INTERVAL_MS),
    }
}

fn register(state: &mut State, call: &Call<'_>, api: Api) -> Outcome {
    let answered = (|| {
        let service = service(call)?;
        let ephemeral = call.flag("ephemeral", state.ephemeral_default);
        let mut input = instance_input(call)?;
        give_id(state, &mut input, &service);
        if !ephemeral {
            return hand_up_persistent(state, call, api, &service, input, true);
        }
        let style = if api == Api::V3 { IdStyle::Absent } else { IdStyle::Grouped };
        let instance = input.into_instance(&service, true, style)?;
        if is_misplaced(state, call, &instance.ip, instance.port) {
            return Ok(None);
        }
        let publisher = Publisher::address(&instance.ip, instance.port, true);
        state.registry.publish(&publisher, service.key(), vec![instance], state.now_ms)?;
        Ok(Some(()))
    })();
    acknowledge(state, call, api, answered)
}

fn deregister(state: &mut State, call: &Call<'_>, api: Api) -> Outcome {
    let answered = (|| {
        let service = service(call)?;
        let (ip, port) = address(call)?;
        if !call.flag("ephemeral", state.ephemeral_default) {
            let input = InstanceInput { ip: Some(ip.into()), port: i64::from(port), ..InstanceInput::default() };
            return hand_up_persistent(state, call, api, &service, input, false);
        }
        if is_misplaced(state, call, ip, port) {
            return Ok(None);
        }
        let publisher = Publisher::address(ip, port, true);
        state.registry.withdraw(&publisher, service.key(), state.now_ms);
        Ok(Some(()))
    })();
    acknowledge(state, call, api, answered)
}

/// Persistent instances go through the log, so they are decided above; what is wrong with them is said here.
fn hand_up_persistent(
    state: &mut State,
    call: &Call<'_>,
    api: Api,
    service: &ServiceName<'_>,
    mut input: InstanceInput<'_>,
    register: bool,
) -> Result<Option<()>, Refusal> {
    if input.instance_id.is_none() {
        input.instance_id = Some(input.grouped_id(service).into());
    }
    let instance = serde_json::to_vec(&input).expect("writing to memory cannot fail");
    input.into_instance(service, false, IdStyle::AsSent)?;
    if register {
        state.registry.check_kind(service.key(), false)?;
    }
    state.events.push(Event::Persistent(PersistentInstance {
        connection: call.connection,
        call: call.call,
        api,
        register,
        namespace: service.namespace.to_owned(),
        group: service.group.to_owned(),
        service: service.name.to_owned(),
        instance,
    }));
    Ok(None)
}

fn service<'a>(call: &'a Call<'_>) -> Result<ServiceName<'a>, InputError> {
    let name = call.get("serviceName").ok_or(InputError::Missing("serviceName"))?;
    ServiceName::new(call.get("namespaceId").unwrap_or(""), call.get("groupName").unwrap_or(""), name)
}

fn address<'a>(call: &'a Call<'_>) -> Result<(&'a str, u16), InputError> {
    let ip = call.get("ip").map(str::trim).ok_or(InputError::Missing("ip"))?;
    Ok((ip, u16::try_from(port(call)?).map_err(|_| InputError::Port)?))
}

fn port(call: &Call<'_>) -> Result<i64, InputError> {
    call.get("port").ok_or(InputError::Missing("port"))?.trim().parse().map_err(|_| InputError::Port)
}

fn whole_number(call: &Call<'_>, name: &'static str) -> Result<i64, InputError> {
    let wanted = InputError::Value { name, wanted: "a whole number" };
    call.get(name).ok_or(InputError::Missing(name))?.trim().parse().map_err(|_| wanted)
}

fn instance_input<'a>(call: &'a Call<'_>) -> Result<InstanceInput<'a>, InputError> {
    let ip = call.get("ip").ok_or(InputError::Missing("ip"))?;
    let port = port(call)?;
    let weight = match call.get("weight") {
        None => None,
        Some(text) => {
            Some(text.trim().parse::<f64>().map_err(|_| InputError::Value { name: "weight", wanted: "a number" })?)
        }
    };
    let enabled = call.get("enabled").or_else(|| call.get("enable"));
    Ok(InstanceInput {
        ip: Some(ip.into()),
        port,
        weight,
        healthy: Some(call.flag("healthy", true)),
        enabled: Some(enabled.is_none_or(|value| value.eq_ignore_ascii_case("true"))),
        cluster_name: call.get("clusterName").or_else(|| call.get("cluster")).map(Text::from),
        metadata: parse_metadata(call.get("metadata").unwrap_or(""))?,
        ..InstanceInput::default()
    })
}

/// 1.x clients ask for UDP push with the list request; which kinds may is in protocol/semantics.md section 3.
fn note_udp_subscriber(state: &mut State, call: &Call<'_>, service: &ServiceName<'_>, clusters: &str) {
    let Some(port) = call.get("udpPort").and_then(|port| port.parse::<u16>().ok()).filter(|port| *port > 0) else {
        return;
    };
    if !state.udp_push {
        return;
    }
    // Java names its kind in User-Agent and has the bare version in Client-Version; others name it there.
    let mut agents = ["user-agent", "client-version"].into_iter().filter_map(|name| call.request.header(name));
    let Some(agent) = agents.find(|agent| takes_udp_push(agent)) else { return };
    state.events.push(Event::UdpSubscribed(UdpSubscribed {
        // The socket's address: a client must not be able to send pushes to somebody else.
        ip: call.remote_ip.to_owned(),
        port,
        agent: agent.to_owned(),
        namespace: service.namespace.to_owned(),
        group: service.group.to_owned(),
        service: service.name.to_owned(),
        clusters: clusters.to_owned(),
    }));
}

fn takes_udp_push(agent: &str) -> bool {
    const KINDS: [(&str, [u32; 3]); 5] = [
        ("Nacos-Java-Client", [0, 1, 0]),
        ("Nacos-Go-Client", [0, 1, 0]),
        ("Nacos-C-Client", [1, 0, 12]),
        ("Nacos-CSharp-Client", [0, 9, 0]),
        ("Nacos-DNS", [0, 4, 3]),
    ];
    KINDS.iter().any(|(kind, oldest)| {
        let Some(version) = agent.strip_prefix(kind) else { return false };
        let mut numbers = version.trim_start_matches([':', 'v', '-']).split(['.', '-']).map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        [next(), next(), next()] >= *oldest
    })
}

/// `ok` in the shape of the API, nothing when the request went up, or the refusal.
fn acknowledge(state: &mut State, call: &Call<'_>, api: Api, answered: Result<Option<()>, Refusal>) -> Outcome {
    let answered = answered.map(|done| {
        done.map(|()| {
            if api == Api::V3 {
                answers::result(&mut state.body, 0, "success", Some("ok"));
                return answers::OK_JSON;
            }
            state.body.extend_from_slice(b"ok");
            answers::OK_TEXT
        })
    });
    finish_here(state, call, api, answered)
}

/// As `finish`; nothing when the request went up.
fn finish_here(state: &mut State, call: &Call<'_>, api: Api, answered: Result<Option<Head>, Refusal>) -> Outcome {
    match answered.transpose() {
        Some(answered) => finish(state, call, api, answered),
        None => Outcome::HandedUp,
    }
}

fn finish(state: &mut State, call: &Call<'_>, api: Api, answered: Result<Head, Refusal>) -> Outcome {
    Outcome::Answer(answered.unwrap_or_else(|refusal| {
        state.body.clear();
        refuse(state, call, api, &refusal)
    }))
}

fn refuse(state: &mut State, call: &Call<'_>, api: Api, refusal: &Refusal) -> Head {
    let now_ms = state.now_ms;
    let body = &mut state.body;
    match (refusal, api) {
        (Refusal::Input(error), _) if error.found_by_filter() => {
            body.extend_from_slice(format!("{error}\r\n").as_bytes());
            answers::BAD_REQUEST_FILTER
        }
        (Refusal::Input(error @ InputError::Metadata(_)), Api::V1 | Api::Grpc) => {
            let message = format!("Server failed, caused: ErrCode:400, ErrMsg:{error};caused: {error};");
            answers::error_page(body, 500, "Internal Server Error", &message, call.request.path, now_ms);
            answers::SERVER_ERROR_JSON
        }
        (Refusal::Input(error), Api::V1 | Api::Grpc) => {
            body.extend_from_slice(error.to_string().as_bytes());
            answers::BAD_REQUEST_TEXT
        }
        (Refusal::Registry(error), Api::V1 | Api::Grpc) => {
            body.extend_from_slice(format!("errCode: 400, errMsg: {error} ").as_bytes());
            answers::BAD_REQUEST_TEXT
        }
        (Refusal::Input(InputError::Missing(name)), Api::V3) => {
            let data = format!("Required parameter '{name}' type String is not present");
            answers::result(body, 10000, "parameter missing", Some(&data));
            answers::BAD_REQUEST_JSON
        }
        (Refusal::Input(error), Api::V3) => {
            let code = match error {
                InputError::Weight => 21001,
                InputError::Metadata(_) => 21002,
                _ => 20002,
            };
            answers::result(body, code, "parameter validate error", Some(&error.to_string()));
            answers::BAD_REQUEST_JSON
        }
        (Refusal::Registry(error), Api::V3) => {
            answers::result(body, 21004, "instance error", Some(&format!("errCode: 400, errMsg: {error} ")));
            answers::BAD_REQUEST_JSON
        }
    }
}

#[cfg(test)]
mod tests {
    use super::takes_udp_push;

    #[test]
    fn only_clients_that_understand_udp_push_get_it() {
        assert!(takes_udp_push("Nacos-Java-Client:v1.4.7"));
        assert!(takes_udp_push("Nacos-Go-Client:v1.0.1"));
        assert!(takes_udp_push("Nacos-CSharp-Client:v0.9.0"));
        assert!(!takes_udp_push("Nacos-CSharp-Client:v0.8.0"));
        assert!(!takes_udp_push("curl/8.0"));
    }
}
