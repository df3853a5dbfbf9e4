//! The naming requests over gRPC (protocol/grpc.md section 5). An ephemeral publication belongs to its connection.

use serde::Deserialize;

use super::answers::json_string;
use super::event::{Api, Event, PersistentInstance};
use super::grpc::{
    BAD_PAYLOAD, Call, INVALID_PARAMETER, Outcome, close_ok, error_response, failure, malformed, open_ok, read,
};
use super::input::{IdStyle, InputError, InstanceInput, ServiceName, check_clusters};
use super::snowflake::give_id;
use super::text::Text;
use super::{Refusal, State};
use crate::limits;
use crate::registry::{Publisher, View};

const REGISTER: &str = "registerInstance";
const DEREGISTER: &str = "deregisterInstance";
const BATCH_REGISTER: &str = "batchRegisterInstance";

/// The fields that naming requests share, and those of single kinds, which the others leave out.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NamingRequest<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    namespace: Option<Text<'a>>,
    #[serde(borrow)]
    service_name: Option<Text<'a>>,
    #[serde(borrow)]
    group_name: Option<Text<'a>>,
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    instance: Option<InstanceInput<'a>>,
    #[serde(borrow)]
    instances: Option<Vec<InstanceInput<'a>>>,
    subscribe: bool,
    #[serde(borrow)]
    clusters: Option<Text<'a>>,
    #[serde(borrow)]
    cluster: Option<Text<'a>>,
    healthy_only: bool,
    page_no: i64,
    page_size: i64,
}

impl<'a> NamingRequest<'a> {
    fn service(&'a self) -> Result<ServiceName<'a>, InputError> {
        ServiceName::new(
            self.namespace.as_deref().unwrap_or(""),
            self.group_name.as_deref().unwrap_or(""),
            self.service_name.as_deref().unwrap_or(""),
        )
    }
}

pub(super) fn instance(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "InstanceResponse";
    let Some(mut request) = read::<NamingRequest<'_>>(call) else {
        return malformed(state);
    };
    let input = request.instance.take();
    let publisher = Publisher::Connection(call.client.connection);
    let done = (|| {
        let service = request.service()?;
        match request.kind.as_deref().unwrap_or("") {
            REGISTER => {
                let mut input = input.ok_or(InputError::Missing("instance"))?;
                give_id(state, &mut input, &service);
                let instance = input.into_instance(&service, true, IdStyle::AsSent)?;
                state.registry.publish(&publisher, service.key(), vec![instance], state.now_ms)?;
                Ok(REGISTER)
            }
            DEREGISTER => {
                state.registry.withdraw(&publisher, service.key(), state.now_ms);
                Ok(DEREGISTER)
            }
            other => Err(InputError::RequestType(other.to_owned()).into()),
        }
    })();
    finish(state, &request, ANSWER, done)
}

pub(super) fn batch_instance(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "BatchInstanceResponse";
    let Some(mut request) = read::<NamingRequest<'_>>(call) else {
        return malformed(state);
    };
    let inputs = request.instances.take().unwrap_or_default();
    let done = (|| {
        let service = request.service()?;
        let kind = request.kind.as_deref().unwrap_or("");
        if kind != BATCH_REGISTER {
            return Err(InputError::RequestType(kind.to_owned()).into());
        }
        if inputs.len() > limits::BATCH_INSTANCES_COUNT_MAX {
            return Err(InputError::TooLong { name: "instances", max: limits::BATCH_INSTANCES_COUNT_MAX }.into());
        }
        let instances = inputs
            .into_iter()
            .map(|mut input| {
                give_id(state, &mut input, &service);
                input.into_instance(&service, true, IdStyle::AsSent)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let publisher = Publisher::Connection(call.client.connection);
        state.registry.publish(&publisher, service.key(), instances, state.now_ms)?;
        Ok(BATCH_REGISTER)
    })();
    finish(state, &request, ANSWER, done)
}

/// Persistent instances go through the log: what is wrong with them is said here, the rest is decided above.
pub(super) fn persistent_instance(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "InstanceResponse";
    let Some(mut request) = read::<NamingRequest<'_>>(call) else {
        return malformed(state);
    };
    let input = request.instance.take();
    let checked = (|| {
        let service = request.service()?;
        let register = match request.kind.as_deref().unwrap_or("") {
            REGISTER => true,
            DEREGISTER => false,
            other => return Err(InputError::RequestType(other.to_owned()).into()),
        };
        let mut input = input.ok_or(InputError::Missing("instance"))?;
        if register {
            give_id(state, &mut input, &service);
        }
        let instance = serde_json::to_vec(&input).expect("writing to memory cannot fail");
        input.into_instance(&service, false, IdStyle::AsSent)?;
        if register {
            state.registry.check_kind(service.key(), false)?;
        }
        Ok(PersistentInstance {
            connection: call.client.connection,
            call: call.call,
            api: Api::Grpc,
            register,
            namespace: service.namespace.to_owned(),
            group: service.group.to_owned(),
            service: service.name.to_owned(),
            instance,
        })
    })();
    match checked {
        Ok(event) => {
            state.events.push(Event::Persistent(event));
            Outcome::HandedUp
        }
        Err(refusal) => refuse(state, ANSWER, &refusal),
    }
}

pub(super) fn subscribe_service(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "SubscribeServiceResponse";
    let Some(request) = read::<NamingRequest<'_>>(call) else {
        return malformed(state);
    };
    let clusters = request.clusters.as_deref().unwrap_or("");
    let service = match request.service().and_then(|service| check_clusters(clusters).map(|()| service)) {
        Ok(service) => service,
        Err(error) => return refuse(state, ANSWER, &error.into()),
    };
    let connection = call.client.connection;
    if request.subscribe {
        state.registry.subscribe(connection, service.key(), clusters);
    } else {
        state.registry.unsubscribe(connection, service.key());
    }
    open_ok(&mut state.body, request.request_id.as_deref(), Some("success"));
    state.body.extend_from_slice(b",\"serviceInfo\":");
    let view = View { clusters, healthy_only: false, grouped_name: false };
    state.registry.write_service_info(service.key(), &view, state.now_ms, &mut state.body);
    close_ok(&mut state.body);
    Outcome::Answer(ANSWER)
}

pub(super) fn service_query(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "QueryServiceResponse";
    let Some(request) = read::<NamingRequest<'_>>(call) else {
        return malformed(state);
    };
    let clusters = request.cluster.as_deref().unwrap_or("");
    let service = match request.service().and_then(|service| check_clusters(clusters).map(|()| service)) {
        Ok(service) => service,
        Err(error) => return refuse(state, ANSWER, &error.into()),
    };
    open_ok(&mut state.body, request.request_id.as_deref(), None);
    state.body.extend_from_slice(b",\"serviceInfo\":");
    let view = View { clusters, healthy_only: request.healthy_only, grouped_name: false };
    state.registry.write_service_info(service.key(), &view, state.now_ms, &mut state.body);
    close_ok(&mut state.body);
    Outcome::Answer(ANSWER)
}

pub(super) fn service_list(state: &mut State, call: &Call<'_>) -> Outcome {
    const ANSWER: &str = "ServiceListResponse";
    let Some(request) = read::<NamingRequest<'_>>(call) else {
        return malformed(state);
    };
    let namespace = request.namespace.as_deref().unwrap_or("");
    // Any name stands in for the service: only namespace and group are asked for.
    let scope = match ServiceName::new(namespace, request.group_name.as_deref().unwrap_or(""), "any") {
        Ok(scope) => scope,
        Err(error) => return refuse(state, ANSWER, &error.into()),
    };
    let page_size = request.page_size.clamp(0, limits::SERVICE_PAGE_COUNT_MAX as i64) as usize;
    let (count, names) = state.registry.list_services(scope.namespace, scope.group, request.page_no, page_size);
    open_ok(&mut state.body, request.request_id.as_deref(), None);
    let body = &mut state.body;
    body.extend_from_slice(b",\"count\":");
    body.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    body.extend_from_slice(b",\"serviceNames\":");
    serde_json::to_writer(&mut *body, &names).expect("writing to memory cannot fail");
    close_ok(body);
    Outcome::Answer(ANSWER)
}

fn finish(
    state: &mut State,
    request: &NamingRequest<'_>,
    answer: &'static str,
    done: Result<&'static str, Refusal>,
) -> Outcome {
    match done {
        Ok(kind) => {
            open_ok(&mut state.body, request.request_id.as_deref(), None);
            state.body.extend_from_slice(b",\"type\":");
            json_string(&mut state.body, kind);
            close_ok(&mut state.body);
            Outcome::Answer(answer)
        }
        Err(refusal) => refuse(state, answer, &refusal),
    }
}

/// The shapes that protocol/answers shows: parameters in the answer's own type, the rest as `ErrorResponse`.
fn refuse(state: &mut State, answer: &'static str, refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Input(error @ InputError::RequestType(_)) => {
            error_response(state, INVALID_PARAMETER, INVALID_PARAMETER, &error.to_string())
        }
        Refusal::Input(error @ InputError::Metadata(_)) => failure(state, answer, BAD_PAYLOAD, &error.to_string()),
        Refusal::Input(error) => failure(state, answer, INVALID_PARAMETER, &format!("Param check invalid:{error}")),
        Refusal::Registry(error) => {
            let message = format!("errCode: 400, errMsg: {error} ");
            error_response(state, INVALID_PARAMETER, INVALID_PARAMETER, &message)
        }
    }
}
