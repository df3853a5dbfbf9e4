//! The requests of the loads, as clients write them: 1.x over HTTP, 2.x over gRPC.

use crate::template::{Cycle, Template};
use md5::{Digest, Md5};

/// Services that queries walk through, and configs that reads walk through.
pub const KEYS_COUNT: u64 = 16;
/// Configs that each connection publishes in turn.
pub const PUBLISHED_COUNT: u64 = 16;
/// Instances that each connection registers in turn; with 64 connections 6,400 are alive.
pub const REGISTERED_COUNT: u64 = 100;
/// Instances that each connection keeps alive by beats in turn.
pub const BEATEN_COUNT: u64 = 10;
/// How many instances a service of the register loads has.
pub const SERVICE_INSTANCES_COUNT: u64 = 10;
/// Length of a config's content.
pub const CONTENT_BYTES: usize = 1024;

const GROUP: &str = "DEFAULT_GROUP";

/// Which connection of how many a request is for.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Counted from 0.
    pub connection: u64,
    /// All of them.
    pub connections: u64,
}

impl Place {
    /// A number that moves through `count` values a connection, ten of all connections' numbers to a value.
    fn shared(self, count: u64) -> Cycle {
        Cycle {
            step: self.connections,
            offset: self.connection,
            group: SERVICE_INSTANCES_COUNT,
            ..Cycle::new(0, count)
        }
    }

    /// An address of its own, the same length for each of up to 64,000 connections.
    fn ip(self) -> String {
        format!("10.1.{}.{}", 100 + self.connection / 100 % 156, 100 + self.connection % 100)
    }
}

/// A config's text as it is: lines of `key=value`, [`CONTENT_BYTES`] long, with a serial number in the first.
pub fn content(serial: u64) -> String {
    let mut out = Vec::new();
    content_template("\n", "=").write(0, serial, &mut out);
    String::from_utf8(out).expect("written from text")
}

/// The content with its line ends and equal signs spelt for where it stands.
fn content_template(line_end: &str, equals: &str) -> Template {
    let mut length = "serial=".len() + crate::template::SERIAL_DIGITS + 1;
    let mut template = Template::new("serial").text(equals).serial().text(line_end);
    let mut key = 0;
    while length < CONTENT_BYTES {
        let line = format!("load.key.{key:04}");
        let value = "v".repeat((CONTENT_BYTES - length).saturating_sub(line.len() + 2).min(48));
        template = template.text(&line).text(equals).text(&value).text(line_end);
        length += line.len() + value.len() + 2;
        key += 1;
    }
    template
}

/// A whole HTTP request. `form` is the body of a form.
pub fn http(method: &str, target: &Template, host: &str, form: &Template) -> Template {
    http_with(method, target, host, "", form)
}

/// The same with more header lines.
fn http_with(method: &str, target: &Template, host: &str, lines: &str, form: &Template) -> Template {
    let mut head = format!(" HTTP/1.1\r\nHost: {host}\r\nUser-Agent: nacos-load\r\n{lines}");
    if form.len() > 0 {
        head += "Content-Type: application/x-www-form-urlencoded\r\n";
    }
    if method != "GET" {
        head += &format!("Content-Length: {}\r\n", form.len());
    }
    Template::new(method).text(" ").then(target).text(&head).text("\r\n").then(form)
}

fn nothing() -> Template {
    Template::default()
}

/// Name of a service that queries find; it has `instances` instances.
fn listed_service(instances: u64) -> Template {
    Template::new(&format!("load-list-{instances}-")).cycle(2, Cycle::new(10, KEYS_COUNT))
}

/// GET of an instance list.
pub fn http_list(host: &str, instances: u64) -> Template {
    let target = Template::new("/nacos/v1/ns/instance/list?serviceName=")
        .then(&listed_service(instances))
        .text(&format!("&groupName={GROUP}&namespaceId=public&clusters=&healthyOnly=false"));
    http("GET", &target, host, &nothing())
}

/// POST of one instance of the services that [`http_list`] asks for; `number` walks through services, then instances.
pub fn http_list_seed(host: &str, instances: u64) -> Template {
    let each = Cycle { group: KEYS_COUNT, ..Cycle::new(10_000, KEYS_COUNT * instances) };
    let target = Template::new("/nacos/v1/ns/instance?serviceName=")
        .then(&listed_service(instances))
        .text(&format!("&groupName={GROUP}&namespaceId=public&ip=10.2.100.100&port="))
        .cycle(5, each)
        .text("&weight=1&ephemeral=true&clusterName=DEFAULT&metadata=%7B%22version%22%3A%222.4.1%22%2C")
        .text("%22zone%22%3A%22zone-a%22%7D");
    http("POST", &target, host, &nothing())
}

/// POST of an instance whose metadata differ from what the server holds.
pub fn http_register(host: &str, place: Place) -> Template {
    let target = Template::new("/nacos/v1/ns/instance?serviceName=load-http-register-")
        .cycle(4, place.shared(REGISTERED_COUNT))
        .text(&format!("&groupName={GROUP}&namespaceId=public&ip={}&port=", place.ip()))
        .cycle(5, Cycle::new(10_000, REGISTERED_COUNT))
        .text(
            "&weight=1&ephemeral=true&clusterName=DEFAULT&metadata=%7B%22version%22%3A%222.4.1%22%2C%22serial%22%3A%22",
        )
        .serial()
        .text("%22%7D");
    http("POST", &target, host, &nothing())
}

fn beaten_instance(place: Place) -> Template {
    Template::new("serviceName=load-beat-")
        .cycle(4, place.shared(BEATEN_COUNT))
        .text(&format!("&groupName={GROUP}&namespaceId=public&clusterName=DEFAULT&ip={}&port=", place.ip()))
        .cycle(5, Cycle::new(10_000, BEATEN_COUNT))
}

/// POST of one of the connection's instances that it beats for.
pub fn http_beat_seed(host: &str, place: Place) -> Template {
    let target = Template::new("/nacos/v1/ns/instance?").then(&beaten_instance(place)).text("&ephemeral=true");
    http("POST", &target, host, &nothing())
}

/// PUT of a light beat, what 1.x clients send every 5 s once the server knows the instance.
pub fn http_beat(host: &str, place: Place) -> Template {
    let target = Template::new("/nacos/v1/ns/instance/beat?").then(&beaten_instance(place));
    http("PUT", &target, host, &nothing())
}

/// Key of a config that reads find.
fn read_config() -> Template {
    Template::new("load-config-").cycle(2, Cycle::new(10, KEYS_COUNT))
}

/// Key of a config that only this connection writes.
fn written_config(place: Place, kind: &str) -> Template {
    Template::new(&format!("load-{kind}-{}-", 10_000 + place.connection)).cycle(2, Cycle::new(10, PUBLISHED_COUNT))
}

/// GET of a config.
pub fn http_config_get(host: &str) -> Template {
    let target =
        Template::new("/nacos/v1/cs/configs?dataId=").then(&read_config()).text(&format!("&group={GROUP}&tenant="));
    http("GET", &target, host, &nothing())
}

/// POST of a config that reads find.
pub fn http_config_seed(host: &str) -> Template {
    http_publish(host, &read_config())
}

/// POST of a config with content that the server does not hold yet.
pub fn http_config_publish(host: &str, place: Place) -> Template {
    http_publish(host, &written_config(place, "http-publish"))
}

fn http_publish(host: &str, key: &Template) -> Template {
    let form = Template::new("dataId=")
        .then(key)
        .text(&format!("&group={GROUP}&tenant=&type=properties&content="))
        .then(&content_template("%0A", "%3D"));
    http("POST", &Template::new("/nacos/v1/cs/configs"), host, &form)
}

/// POST of a long poll that is answered at once, because its md5 is not the server's.
pub fn http_config_listen(host: &str) -> Template {
    http_long_poll(host, &read_config(), &"0".repeat(32))
}

/// POST of a long poll that is answered when the watched config is no longer the one with this md5.
pub fn http_watched_listen(host: &str, md5: &str) -> Template {
    http_long_poll(host, &Template::new(WATCHED_CONFIG), md5)
}

fn http_long_poll(host: &str, key: &Template, md5: &str) -> Template {
    let form = Template::new("Listening-Configs=").then(key).text(&format!("%02{GROUP}%02{md5}%01"));
    let target = Template::new("/nacos/v1/cs/configs/listener");
    http_with("POST", &target, host, "Long-Pulling-Timeout: 30000\r\n", &form)
}

/// POST that changes the watched config; its serial number is given when it is rendered.
pub fn http_watched_publish(host: &str) -> Template {
    http_publish(host, &Template::new(WATCHED_CONFIG))
}

/// The md5 of a config's content as servers write it.
pub fn md5(content: &str) -> String {
    Md5::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON of a service query.
pub fn grpc_query(instances: u64) -> Template {
    Template::new(r#"{"headers":{},"namespace":"public","serviceName":""#)
        .then(&listed_service(instances))
        .text(r#"","groupName":"DEFAULT_GROUP","cluster":"","healthyOnly":false,"udpPort":0,"module":"naming"}"#)
}

/// JSON that registers an instance whose metadata differ from what the server holds, in services named by `kind`.
pub fn grpc_register(place: Place, kind: &str, services: u64) -> Template {
    let service = Template::new(&format!("load-{kind}-")).cycle(5, place.shared(services));
    Template::new(r#"{"headers":{},"namespace":"public","serviceName":""#)
        .then(&service)
        .text(r#"","groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"ip":""#)
        .text(&place.ip())
        .text(r#"","port":"#)
        .cycle(5, Cycle::new(10_000, services))
        .text(r#","weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":""#)
        .then(&service)
        .text(r#"","metadata":{"version":"2.4.1","serial":""#)
        .serial()
        .text(r#""}},"module":"naming"}"#)
}

/// JSON of a subscription; each connection walks through services that nobody changes.
pub fn grpc_subscribe() -> Template {
    Template::new(r#"{"headers":{},"namespace":"public","serviceName":""#)
        .then(&listed_service(1))
        .text(r#"","groupName":"DEFAULT_GROUP","subscribe":true,"clusters":"","module":"naming"}"#)
}

/// JSON of a config query.
pub fn grpc_config_get() -> Template {
    Template::new(r#"{"headers":{},"dataId":""#)
        .then(&read_config())
        .text(r#"","group":"DEFAULT_GROUP","tenant":"","module":"config"}"#)
}

/// JSON that publishes a config with content that the server does not hold yet.
pub fn grpc_config_publish(place: Place) -> Template {
    grpc_publish(&written_config(place, "grpc-publish"))
}

fn grpc_publish(key: &Template) -> Template {
    Template::new(r#"{"headers":{},"dataId":""#)
        .then(key)
        .text(r#"","group":"DEFAULT_GROUP","tenant":"","content":""#)
        .then(&content_template("\\n", "="))
        .text(r#"","additionMap":{"type":"properties"},"module":"config"}"#)
}

/// JSON of a listener that knows the content that [`http_config_seed`] wrote.
pub fn grpc_config_listen() -> Template {
    let md5 = md5(&content(0));
    Template::new(r#"{"headers":{},"listen":true,"configListenContexts":[{"dataId":""#)
        .then(&read_config())
        .text(&format!(r#"","group":"DEFAULT_GROUP","tenant":"","md5":"{md5}"}}],"module":"config"}}"#))
}

/// The config whose changes the push load waits for.
pub const WATCHED_CONFIG: &str = "load-watched-config";
/// The service whose changes the push load waits for.
pub const WATCHED_SERVICE: &str = "load-watched-service";

/// JSON that changes the watched config; its serial number is given when it is rendered.
pub fn grpc_watched_publish() -> Template {
    grpc_publish(&Template::new(WATCHED_CONFIG))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1;
    use serde_json::Value;
    use std::collections::HashSet;

    const PLACE: Place = Place { connection: 3, connections: 64 };

    fn text(template: &Template, number: u64) -> String {
        let mut out = Vec::new();
        template.write(number, 42, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn contents_are_as_long_as_they_should_be() {
        assert_eq!(content(7).len(), CONTENT_BYTES);
        assert!(content(7).starts_with("serial=0000000000000007\nload.key.0000="));
        assert!(content(7).ends_with("v\n"));
    }

    #[test]
    fn md5_is_written_as_servers_write_it() {
        assert_eq!(md5("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn json_requests_are_json() {
        let register = grpc_register(PLACE, "x", REGISTERED_COUNT);
        let publish = grpc_config_publish(PLACE);
        for request in
            [&register, &publish, &grpc_query(100), &grpc_subscribe(), &grpc_config_get(), &grpc_config_listen()]
        {
            let json: Value = serde_json::from_str(&text(request, 5)).expect("JSON");
            assert!(json["module"].is_string());
        }
        let json: Value = serde_json::from_str(&text(&publish, 0)).expect("JSON");
        assert_eq!(json["content"], content(42));
        let json: Value = serde_json::from_str(&text(&register, 1)).expect("JSON");
        assert_eq!(
            (json["serviceName"].as_str(), json["instance"]["port"].as_u64()),
            (Some("load-x-00006"), Some(10_001))
        );
    }

    #[test]
    fn http_requests_have_their_lengths() {
        let request = text(&http_config_publish("h:1", PLACE), 0);
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: h:1\r\n"));
        assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())));
        assert_eq!(body.matches("%0A").count(), content(0).matches('\n').count());
        // The same parser reads heads of either direction once the first line is replaced.
        let answer = request.replacen("POST /nacos/v1/cs/configs HTTP/1.1", "HTTP/1.1 200 OK", 1);
        let Ok(http1::Parsed::Whole { body, .. }) = http1::parse(answer.as_bytes()) else { panic!("whole") };
        assert_eq!(body.end, answer.len());
        let listen = text(&http_config_listen("h:1"), 1);
        assert!(listen.contains("\r\nUser-Agent: nacos-load\r\nLong-Pulling-Timeout: 30000\r\n"));
        assert!(listen.ends_with(&format!("=load-config-11%02DEFAULT_GROUP%02{}%01", "0".repeat(32))));
    }

    #[test]
    fn seeds_fill_every_listed_service() {
        let seed = http_list_seed("h", 100);
        let seeded: HashSet<String> = (0..KEYS_COUNT * 100).map(|number| text(&seed, number)).collect();
        assert_eq!(seeded.len(), 1600);
        let of_one = seeded.iter().filter(|request| request.contains("load-list-100-10&")).count();
        assert_eq!(of_one, 100);
    }

    #[test]
    fn every_connection_has_its_own_address() {
        let ips: HashSet<String> = (0..2000).map(|connection| Place { connection, connections: 2000 }.ip()).collect();
        assert_eq!(ips.len(), 2000);
        assert!(ips.iter().all(|ip| ip.len() == "10.1.100.100".len()));
    }
}
