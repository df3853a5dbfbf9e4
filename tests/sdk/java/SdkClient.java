import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.Listener;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.EventListener;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.api.naming.pojo.ListView;
import com.alibaba.nacos.client.config.utils.SnapShotSwitch;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * An unmodified nacos-client behind the line protocol of harness.py. One source for the 1.x, 2.x and 3.x lines; what
 * 1.x lacks is called by reflection.
 */
public final class SdkClient {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long GET_TIMEOUT_MS = 3000;

    private final PrintStream out;
    private final NamingService naming;
    private final ConfigService config;
    private final Operations extras;
    private final Map<String, EventListener> subscribers = new HashMap<>();
    private final Map<String, Listener> listeners = new HashMap<>();

    /** What a line has beyond the others; a class Extras beside this one brings it. */
    public interface Operations {
        Object run(JsonNode command) throws Exception;
    }

    private SdkClient(String address, PrintStream out) throws Exception {
        this.out = out;
        Properties properties = new Properties();
        properties.setProperty("serverAddr", address);
        properties.setProperty("namingPushEmptyProtection", "false");
        // A snapshot on disk would answer for a server that has lost the configuration.
        SnapShotSwitch.setIsSnapShot(false);
        this.naming = NacosFactory.createNamingService(properties);
        this.config = NacosFactory.createConfigService(properties);
        this.extras = extras(properties);
    }

    private Operations extras(Properties properties) throws Exception {
        Class<?> found;
        try {
            found = Class.forName("Extras");
        } catch (ClassNotFoundException absent) {
            return command -> {
                throw new IllegalArgumentException("unknown op in " + command);
            };
        }
        Consumer<ObjectNode> print = this::print;
        return (Operations) found.getConstructor(
                        Properties.class, NamingService.class, ConfigService.class, Consumer.class)
                .newInstance(properties, naming, config, print);
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        keepEverythingIn(arguments[1]);
        SdkClient client = new SdkClient(arguments[0], out);
        client.print(JSON.createObjectNode().put("event", "ready"));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            client.print(client.answer(JSON.readTree(line)));
        }
        // The client's own threads are no daemons in every version.
        Runtime.getRuntime().halt(0);
    }

    /** The clients read these when their classes are loaded, so this comes before the first of them. */
    private static void keepEverythingIn(String folder) {
        for (String name : new String[] {"user.home", "java.io.tmpdir", "JM.LOG.PATH", "JM.SNAPSHOT.PATH"}) {
            System.setProperty(name, folder);
        }
    }

    private synchronized void print(ObjectNode line) {
        out.println(line);
    }

    private ObjectNode answer(JsonNode command) {
        ObjectNode answer = JSON.createObjectNode();
        answer.set("id", command.get("id"));
        try {
            answer.set("result", JSON.valueToTree(run(command)));
            answer.put("ok", true);
        } catch (Exception error) {
            Throwable cause = error instanceof InvocationTargetException ? error.getCause() : error;
            answer.put("ok", false).put("error", cause.toString());
        }
        return answer;
    }

    private Object run(JsonNode command) throws Exception {
        String service = command.path("service").asText();
        String dataId = command.path("data_id").asText();
        String group = command.path("group").asText();
        String content = command.path("content").asText();
        switch (command.path("op").asText()) {
            case "register":
                naming.registerInstance(service, group, instance(command.get("instance")));
                return true;
            case "update":
                naming.registerInstance(service, group, instance(command.get("instance")));
                return true;
            case "batch_register":
                batch("batchRegisterInstance", service, group, command.get("instances"));
                return true;
            case "batch_deregister":
                batch("batchDeregisterInstance", service, group, command.get("instances"));
                return true;
            case "deregister":
                naming.deregisterInstance(service, group, instance(command.get("instance")));
                return true;
            case "instances":
                return array(naming.getAllInstances(service, group, false));
            case "select_healthy":
                return array(naming.selectInstances(service, group, true, false));
            case "of_cluster":
                return array(naming.getAllInstances(service, group, List.of(command.get("cluster").asText()), false));
            case "select_one":
                return array(List.of(naming.selectOneHealthyInstance(service, group, false))).get(0);
            case "services":
                return services(command.get("page").asInt(), command.get("page_size").asInt(), group);
            case "subscribe":
                naming.subscribe(service, group, subscriber(service, group));
                return true;
            case "unsubscribe":
                naming.unsubscribe(service, group, subscriber(service, group));
                return true;
            case "server_is_up":
                return naming.getServerStatus().equals("UP") && config.getServerStatus().equals("UP");
            case "publish":
                return config.publishConfig(dataId, group, content);
            case "publish_as":
                return config.publishConfig(dataId, group, content, command.get("type").asText());
            case "publish_cas":
                return publishCas(dataId, group, content, command.get("md5").asText());
            case "get":
                return config.getConfig(dataId, group, GET_TIMEOUT_MS);
            case "remove":
                return config.removeConfig(dataId, group);
            case "listen":
                config.addListener(dataId, group, listener(dataId, group));
                return true;
            case "get_and_listen":
                return config.getConfigAndSignListener(dataId, group, GET_TIMEOUT_MS, listener(dataId, group));
            case "unlisten":
                config.removeListener(dataId, group, listener(dataId, group));
                return true;
            default:
                return extras.run(command);
        }
    }

    private ObjectNode services(int page, int pageSize, String group) throws Exception {
        ListView<String> view = naming.getServicesOfServer(page, pageSize, group);
        ObjectNode services = JSON.createObjectNode().put("count", view.getCount());
        services.set("names", JSON.valueToTree(view.getData()));
        return services;
    }

    private void batch(String operation, String service, String group, JsonNode nodes) throws Exception {
        List<Instance> instances = new ArrayList<>();
        for (JsonNode node : nodes) {
            instances.add(instance(node));
        }
        Method method = NamingService.class.getMethod(operation, String.class, String.class, List.class);
        method.invoke(naming, service, group, instances);
    }

    private boolean publishCas(String dataId, String group, String content, String md5) throws Exception {
        Method method = ConfigService.class.getMethod(
                "publishConfigCas", String.class, String.class, String.class, String.class);
        return (Boolean) method.invoke(config, dataId, group, content, md5);
    }

    /** The library takes away only what it was given. */
    private EventListener subscriber(String service, String group) {
        return subscribers.computeIfAbsent(group + "@@" + service, key -> onInstances(service, group));
    }

    private Listener listener(String dataId, String group) {
        return listeners.computeIfAbsent(group + "@@" + dataId, key -> onConfig(dataId, group));
    }

    private EventListener onInstances(String service, String group) {
        return event -> {
            ObjectNode line = JSON.createObjectNode().put("event", "instances");
            line.put("service", service).put("group", group);
            line.set("instances", array(((NamingEvent) event).getInstances()));
            print(line);
        };
    }

    private Listener onConfig(String dataId, String group) {
        return new Listener() {
            @Override
            public Executor getExecutor() {
                return null;
            }

            @Override
            public void receiveConfigInfo(String content) {
                ObjectNode line = JSON.createObjectNode().put("event", "config");
                print(line.put("data_id", dataId).put("group", group).put("content", content));
            }
        };
    }

    private static Instance instance(JsonNode node) {
        Instance instance = new Instance();
        instance.setIp(node.get("ip").asText());
        instance.setPort(node.get("port").asInt());
        instance.setWeight(node.get("weight").asDouble());
        instance.setHealthy(node.get("healthy").asBoolean());
        instance.setEnabled(node.get("enabled").asBoolean());
        instance.setEphemeral(node.get("ephemeral").asBoolean());
        instance.setClusterName(node.get("cluster").asText());
        node.get("metadata").fields().forEachRemaining(
                entry -> instance.addMetadata(entry.getKey(), entry.getValue().asText()));
        return instance;
    }

    private static ArrayNode array(List<Instance> instances) {
        ArrayNode array = JSON.createArrayNode();
        for (Instance instance : instances) {
            ObjectNode node = array.addObject().put("ip", instance.getIp()).put("port", instance.getPort());
            node.put("weight", instance.getWeight()).put("healthy", instance.isHealthy());
            node.put("enabled", instance.isEnabled()).put("ephemeral", instance.isEphemeral());
            node.put("cluster", instance.getClusterName());
            node.set("metadata", JSON.valueToTree(instance.getMetadata()));
        }
        return array;
    }
}
