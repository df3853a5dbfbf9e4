import com.alibaba.nacos.common.utils.JacksonUtils;
import com.alibaba.nacos.maintainer.client.ai.AiMaintainerService;
import com.alibaba.nacos.maintainer.client.config.ConfigMaintainerFactory;
import com.alibaba.nacos.maintainer.client.config.ConfigMaintainerService;
import com.alibaba.nacos.maintainer.client.core.CoreMaintainerService;
import com.alibaba.nacos.maintainer.client.naming.NamingMaintainerFactory;
import com.alibaba.nacos.maintainer.client.naming.NamingMaintainerService;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * An unmodified nacos-maintainer-client behind the lines of harness.py. A command names a method by its interface and
 * name, for example config.getConfig, and has a list of arguments; overloads are left to the library, which fills in
 * what they leave out. Its command "operations" is answered by all that there are. Who it is for the server stands in
 * the properties username and password of the JVM.
 */
public final class Maintainer {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, Object> services;
    private final Map<String, Class<?>> interfaces = new TreeMap<>(Map.of(
            "ai", AiMaintainerService.class,
            "config", ConfigMaintainerService.class,
            "core", CoreMaintainerService.class,
            "naming", NamingMaintainerService.class));

    private Maintainer(String address) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", address);
        for (String credential : new String[] {"username", "password"}) {
            properties.setProperty(credential, System.getProperty(credential, ""));
        }
        NamingMaintainerService naming = NamingMaintainerFactory.createNamingMaintainerService(properties);
        this.services = Map.of(
                "config", ConfigMaintainerFactory.createConfigMaintainerService(properties),
                "core", naming,
                "naming", naming);
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        System.setProperty("user.home", arguments[1]);
        System.setProperty("java.io.tmpdir", arguments[1]);
        Maintainer maintainer = new Maintainer(arguments[0]);
        out.println(JSON.createObjectNode().put("event", "ready"));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(maintainer.answer(JSON.readTree(line)));
        }
        Runtime.getRuntime().halt(0);
    }

    private ObjectNode answer(JsonNode command) {
        ObjectNode answer = JSON.createObjectNode();
        answer.set("id", command.get("id"));
        try {
            answer.set("result", JacksonUtils.transferToJsonNode(run(command)));
            answer.put("ok", true);
        } catch (Exception error) {
            Throwable cause = error instanceof InvocationTargetException ? error.getCause() : error;
            answer.put("ok", false).put("error", cause.toString());
        }
        return answer;
    }

    private Object run(JsonNode command) throws Exception {
        String operation = command.get("op").asText();
        if (operation.equals("operations")) {
            return operations();
        }
        String[] name = operation.split("\\.", 2);
        JsonNode given = command.get("arguments");
        Method method = method(interfaces.get(name[0]), name[1], given.size());
        Type[] types = method.getGenericParameterTypes();
        Object[] arguments = new Object[types.length];
        for (int index = 0; index < types.length; index++) {
            // The library's own mapper knows the kinds of selectors and of health checks.
            arguments[index] = JacksonUtils.toObj(given.get(index).toString(), types[index]);
        }
        return method.invoke(services.get(name[0]), arguments);
    }

    private static Method method(Class<?> service, String name, int arguments) {
        for (Method method : service.getMethods()) {
            boolean whole = Modifier.isAbstract(method.getModifiers());
            if (whole && method.getName().equals(name) && method.getParameterCount() == arguments) {
                return method;
            }
        }
        throw new IllegalArgumentException("no method " + name + " with " + arguments + " arguments");
    }

    /** Those of the core are in each of the interfaces, and named as its own only. */
    private Set<String> operations() {
        Set<String> operations = new TreeSet<>();
        interfaces.forEach((family, service) -> {
            for (Method method : service.getMethods()) {
                boolean core = method.getDeclaringClass() == CoreMaintainerService.class;
                boolean ofFamily = core == family.equals("core") && !method.getName().equals("shutdown");
                if (ofFamily && Modifier.isAbstract(method.getModifiers())) {
                    operations.add(family + "." + method.getName());
                }
            }
        });
        return operations;
    }
}
