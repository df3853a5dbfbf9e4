package application;

import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.cloud.client.ServiceInstance;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.event.EventListener;
import org.springframework.core.env.Environment;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/**
 * A service as people write them: it registers, calls another one by its name, and takes settings from the server. What
 * it is called and how it greets is said by its arguments, so that it stands for all services of a test.
 */
@SpringBootApplication
@EnableConfigurationProperties(Application.Bound.class)
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    @LoadBalanced
    RestClient.Builder balanced() {
        return RestClient.builder();
    }

    /** Tells the test where to ask: the port is chosen by the system. */
    @EventListener
    void tellPort(ApplicationReadyEvent ready) {
        Environment environment = ready.getApplicationContext().getEnvironment();
        System.out.println("ready on port " + environment.getProperty("local.server.port"));
    }

    /** Made anew after a change. */
    @Component
    @RefreshScope
    public static class Refreshed {
        @Value("${test.setting}")
        private String setting;

        public String setting() {
            return setting;
        }
    }

    /** Stays, and is filled again after a change. */
    @ConfigurationProperties("test")
    public static class Bound {
        private String setting;

        public String getSetting() {
            return setting;
        }

        public void setSetting(String setting) {
            this.setting = setting;
        }
    }

    @RestController
    static class Api {
        private final String greeting;
        private final Refreshed refreshed;
        private final Bound bound;
        private final ApplicationContext context;
        private final DiscoveryClient discovery;
        private final RestClient client;

        Api(
                @Value("${greeting}") String greeting,
                Refreshed refreshed,
                Bound bound,
                ApplicationContext context,
                DiscoveryClient discovery,
                RestClient.Builder balanced) {
            this.greeting = greeting;
            this.refreshed = refreshed;
            this.bound = bound;
            this.context = context;
            this.discovery = discovery;
            this.client = balanced.build();
        }

        @GetMapping("/greeting")
        Map<String, String> greeting() {
            return Map.of("greeting", greeting);
        }

        @GetMapping("/call/{service}")
        Map<?, ?> call(@PathVariable("service") String service) {
            return client.get().uri("http://" + service + "/greeting").retrieve().body(Map.class);
        }

        @GetMapping("/found/{service}")
        List<Integer> found(@PathVariable("service") String service) {
            return discovery.getInstances(service).stream().map(ServiceInstance::getPort).sorted().toList();
        }

        @GetMapping("/settings")
        Map<String, String> settings() {
            return Map.of("refreshed", refreshed.setting(), "bound", bound.getSetting());
        }

        /** Another life of the process or of the context would say something else. */
        @GetMapping("/life")
        List<Long> life() {
            return List.of(ManagementFactory.getRuntimeMXBean().getStartTime(), context.getStartupDate());
        }
    }
}
