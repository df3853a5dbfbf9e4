"""Builds the Java programs: Maven resolves the libraries, javac compiles, neither is needed to run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import HERE, built, run

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = HERE / "java"
POM = FOLDER / "pom.xml"
SMALL_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
TOOLCHAIN = ("java", "javac", "mvn")


def build(module: str, program: str, *shared: Path) -> list[str]:
    """The command line of a program: a class made of a module's sources and of those that modules share.

    Maven is asked only when a version or the program has changed; the program is run without it."""
    folder = FOLDER / module
    target = folder / "target"
    sources = [*shared, *sorted(folder.glob("*.java"))]
    jars = str(target / "lib" / "*")
    classes = target / "classes"

    def resolve_and_compile() -> None:
        run(["mvn", "--batch-mode", "--quiet", "--projects", module], FOLDER)
        javac = ["javac", "--release", "11", "-encoding", "UTF-8", "-classpath", jars, "-d", str(classes)]
        run([*javac, *map(str, sources)], FOLDER)

    built(target, [POM, folder / "pom.xml", *sources], resolve_and_compile)
    return ["java", *SMALL_JVM, "-classpath", f"{classes}:{jars}", program]
