//! An unmodified nacos-sdk behind the line protocol of harness.py.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use nacos_sdk::api::config::{ConfigChangeListener, ConfigResponse, ConfigService, ConfigServiceBuilder};
use nacos_sdk::api::error::Error as SdkError;
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

type Answer = Result<Value, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let [_, address, folder] = &std::env::args().collect::<Vec<_>>()[..] else {
        return Err("to be called with host:port and a folder".into());
    };
    let client = Client::connect(address, folder).await?;
    print(&json!({"event": "ready"}));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Value = serde_json::from_str(&line)?;
        print(&match client.run(&command).await {
            Ok(result) => json!({"id": command["id"], "ok": true, "result": result}),
            Err(error) => json!({"id": command["id"], "ok": false, "error": error.to_string()}),
        });
    }
    Ok(())
}

/// One line and a flush. When the harness has gone there is nobody left to tell.
fn print(line: &Value) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

struct Client {
    naming: NamingService,
    config: ConfigService,
    /// The library takes away only what it was given.
    told: Arc<Subscription>,
}

impl Client {
    async fn connect(address: &str, folder: &str) -> Result<Self, SdkError> {
        let props = ClientProps::new()
            .server_addr(address)
            .app_name("sdk-client")
            .cache_dir(folder)
            .naming_push_empty_protection(false);
        let naming = NamingServiceBuilder::new(props.clone()).build().await?;
        let config = ConfigServiceBuilder::new(props).build().await?;
        Ok(Self { naming, config, told: Arc::new(Subscription) })
    }

    async fn run(&self, command: &Value) -> Answer {
        if command["data_id"].is_string() { self.run_config(command).await } else { self.run_naming(command).await }
    }

    async fn run_naming(&self, command: &Value) -> Answer {
        let (service, group) = (text(command, "service"), Some(text(command, "group")));
        match text(command, "op").as_str() {
            "register" | "update" => {
                let instance = instance(&command["instance"]);
                self.naming.register_instance(service, group, instance).await?;
            }
            "batch_register" => {
                let instances = command["instances"].as_array().into_iter().flatten().map(instance).collect();
                self.naming.batch_register_instance(service, group, instances).await?;
            }
            "deregister" => {
                let instance = instance(&command["instance"]);
                self.naming.deregister_instance(service, group, instance).await?;
            }
            "instances" => {
                let instances = self.naming.get_all_instances(service, group, Vec::new(), false).await?;
                return Ok(array(&instances));
            }
            "of_cluster" => {
                let clusters = vec![text(command, "cluster")];
                return Ok(array(&self.naming.get_all_instances(service, group, clusters, false).await?));
            }
            "select_one" => {
                let one = self.naming.select_one_healthy_instance(service, group, Vec::new(), false).await?;
                return Ok(array(&[one])[0].clone());
            }
            "select_healthy" => {
                let instances = self.naming.select_instances(service, group, Vec::new(), false, true).await?;
                return Ok(array(&instances));
            }
            "subscribe" => {
                self.naming.subscribe(service, group, Vec::new(), self.told.clone()).await?;
            }
            "unsubscribe" => {
                self.naming.unsubscribe(service, group, Vec::new(), self.told.clone()).await?;
            }
            "services" => {
                let (page, page_size) = (number(command, "page"), number(command, "page_size"));
                let (names, count) = self.naming.get_service_list(page, page_size, group).await?;
                return Ok(json!({"count": count, "names": names}));
            }
            op => return Err(format!("unknown op {op:?}").into()),
        }
        Ok(json!(true))
    }

    async fn run_config(&self, command: &Value) -> Answer {
        let (data_id, group, content) = (text(command, "data_id"), text(command, "group"), text(command, "content"));
        let result = match text(command, "op").as_str() {
            "publish" => self.config.publish_config(data_id, group, content, None).await?,
            "publish_as" => self.config.publish_config(data_id, group, content, Some(text(command, "type"))).await?,
            "publish_beta" => {
                self.config.publish_config_beta(data_id, group, content, None, text(command, "ips")).await?
            }
            "publish_cas" => {
                let md5 = text(command, "md5");
                self.config.publish_config_cas(data_id, group, content, None, md5).await?
            }
            "remove" => self.config.remove_config(data_id, group).await?,
            "listen" => {
                self.config.add_listener(data_id, group, self.told.clone()).await?;
                return Ok(json!(true));
            }
            "unlisten" => {
                self.config.remove_listener(data_id, group, self.told.clone()).await?;
                return Ok(json!(true));
            }
            "get" => {
                return match self.config.get_config(data_id, group).await {
                    Ok(config) => Ok(json!(config.content())),
                    Err(SdkError::ConfigNotFound(_)) => Ok(Value::Null),
                    Err(error) => Err(error.into()),
                };
            }
            op => return Err(format!("unknown op {op:?}").into()),
        };
        Ok(json!(result))
    }
}

/// Prints what the client reports.
struct Subscription;

impl NamingEventListener for Subscription {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let instances = array(event.instances.as_deref().unwrap_or_default());
        print(&json!({
            "event": "instances",
            "service": event.service_name,
            "group": event.group_name,
            "instances": instances,
        }));
    }
}

impl ConfigChangeListener for Subscription {
    fn notify(&self, config: ConfigResponse) {
        print(&json!({
            "event": "config",
            "data_id": config.data_id(),
            "group": config.group(),
            "content": config.content(),
        }));
    }
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

fn number(object: &Value, key: &str) -> i32 {
    object[key].as_i64().and_then(|number| i32::try_from(number).ok()).unwrap_or_default()
}

fn instance(value: &Value) -> ServiceInstance {
    let metadata = value["metadata"].as_object().into_iter().flatten();
    ServiceInstance {
        ip: text(value, "ip"),
        port: number(value, "port"),
        weight: value["weight"].as_f64().unwrap_or_default(),
        healthy: value["healthy"] == true,
        enabled: value["enabled"] == true,
        ephemeral: value["ephemeral"] == true,
        cluster_name: Some(text(value, "cluster")),
        metadata: metadata.map(|(key, _)| (key.clone(), text(&value["metadata"], key))).collect(),
        ..ServiceInstance::default()
    }
}

fn array(instances: &[ServiceInstance]) -> Value {
    let describe = |instance: &ServiceInstance| {
        json!({
            "ip": instance.ip,
            "port": instance.port,
            "weight": instance.weight,
            "healthy": instance.healthy,
            "enabled": instance.enabled,
            "ephemeral": instance.ephemeral,
            "cluster": instance.cluster_name,
            "metadata": instance.metadata,
        })
    };
    instances.iter().map(describe).collect()
}
