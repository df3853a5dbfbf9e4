"""The released lines of the Java client, nacos-client: 1.x over HTTP and UDP, 2.x and 3.x over gRPC."""

from __future__ import annotations

from functools import partial

from harness import HERE, Allowance, ClientKind, built, run
from scenarios import Scenarios

FOLDER = HERE / "java"
SOURCE = FOLDER / "SdkClient.java"
POM = FOLDER / "pom.xml"
SMALL_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


def build(line: str) -> list[str]:
    """Maven is asked only when a version or the program has changed; the program is run without it."""
    module = FOLDER / line
    target = module / "target"
    jars = str(target / "lib" / "*")
    classes = target / "classes"

    def resolve_and_compile() -> None:
        run(["mvn", "--batch-mode", "--quiet", "--projects", line], FOLDER)
        javac = ["javac", "--release", "11", "-encoding", "UTF-8", "-classpath", jars, "-d", str(classes)]
        run([*javac, str(SOURCE)], FOLDER)

    built(target, [POM, module / "pom.xml", SOURCE], resolve_and_compile)
    return ["java", *SMALL_JVM, "-classpath", f"{classes}:{jars}", "SdkClient"]


TOOLCHAIN = ("java", "javac", "mvn")
OWN_CHECK = "the client itself refuses the name: only letters, digits and '-'"
BEATS = {
    "preserved.heart.beat.interval": "1000",
    "preserved.heart.beat.timeout": "2000",
    "preserved.ip.delete.timeout": "3000",
}
V1 = ClientKind(
    name="java-1",
    toolchain=TOOLCHAIN,
    build=partial(build, "v1"),
    lacks={
        "batch_register": "its interface has no such method",
        "publish_cas": "its interface has no such method",
    },
    vanishes=Allowance(9.0, "it beats: 3 s without a beat, as the instance's metadata say, found by a check every 5 s"),
    victim_metadata=BEATS,
)
V2 = ClientKind(name="java-2", toolchain=TOOLCHAIN, build=partial(build, "v2"), lacks={"underscores": OWN_CHECK})
V3 = ClientKind(name="java-3", toolchain=TOOLCHAIN, build=partial(build, "v3"), lacks={"underscores": OWN_CHECK})


class TestJava1(Scenarios):
    kind = V1


class TestJava2(Scenarios):
    kind = V2


class TestJava3(Scenarios):
    kind = V3
