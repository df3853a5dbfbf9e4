import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.ConfigFuzzyWatchChangeEvent;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.lock.LockService;
import com.alibaba.nacos.api.lock.NacosLockFactory;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.FuzzyWatchChangeEvent;
import com.alibaba.nacos.client.lock.core.NLockFactory;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Properties;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** What only the 3.x line has: watches of patterns, and locks. */
public final class Extras implements SdkClient.Operations {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long LIST_TIMEOUT_S = 10;

    private final NamingService naming;
    private final ConfigService config;
    private final Consumer<ObjectNode> print;
    private final LockService locks;
    private final com.alibaba.nacos.api.naming.listener.FuzzyWatchEventWatcher servicesWatcher = onService();
    private final com.alibaba.nacos.api.config.listener.FuzzyWatchEventWatcher configsWatcher = onConfig();

    public Extras(Properties properties, NamingService naming, ConfigService config, Consumer<ObjectNode> print)
            throws NacosException {
        this.naming = naming;
        this.config = config;
        this.print = print;
        this.locks = NacosLockFactory.createLockService(properties);
    }

    @Override
    public Object run(JsonNode command) throws Exception {
        String group = command.path("group").asText();
        String pattern = command.path("pattern").asText();
        switch (command.path("op").asText()) {
            case "watch_services":
                return naming.fuzzyWatchWithServiceKeys(pattern, group, servicesWatcher)
                        .get(LIST_TIMEOUT_S, TimeUnit.SECONDS).getData();
            case "watch_configs":
                return config.fuzzyWatchWithGroupKeys(pattern, group, configsWatcher)
                        .get(LIST_TIMEOUT_S, TimeUnit.SECONDS);
            case "unwatch_services":
                naming.cancelFuzzyWatch(pattern, group, servicesWatcher);
                return true;
            case "unwatch_configs":
                config.cancelFuzzyWatch(pattern, group, configsWatcher);
                return true;
            case "lock":
                return locks.lock(NLockFactory.getLock(
                        command.get("key").asText(), command.get("held_ms").asLong()));
            case "unlock":
                return locks.unLock(NLockFactory.getLock(command.get("key").asText()));
            default:
                throw new IllegalArgumentException("unknown op in " + command);
        }
    }

    private com.alibaba.nacos.api.naming.listener.FuzzyWatchEventWatcher onService() {
        return new com.alibaba.nacos.api.naming.listener.FuzzyWatchEventWatcher() {
            @Override
            public Executor getExecutor() {
                return null;
            }

            @Override
            public void onEvent(FuzzyWatchChangeEvent event) {
                print.accept(line(event.getServiceName(), event.getGroupName(), event.getChangeType()));
            }
        };
    }

    private com.alibaba.nacos.api.config.listener.FuzzyWatchEventWatcher onConfig() {
        return new com.alibaba.nacos.api.config.listener.FuzzyWatchEventWatcher() {
            @Override
            public Executor getExecutor() {
                return null;
            }

            @Override
            public void onEvent(ConfigFuzzyWatchChangeEvent event) {
                print.accept(line(event.getDataId(), event.getGroup(), event.getChangedType()));
            }
        };
    }

    private static ObjectNode line(String name, String group, String change) {
        ObjectNode line = JSON.createObjectNode().put("event", "watch");
        return line.put("name", name).put("group", group).put("change", change);
    }
}
