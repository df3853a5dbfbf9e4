"""Builds the Java programs: Maven resolves the libraries, javac compiles, neither is needed to run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import HERE, built, run

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = HERE / "java"
POM = FOLDER / "pom.xml"
SPRING = HERE / "spring"
SMALL_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
TOOLCHAIN = ("java", "javac", "mvn")


def build(module: str, program: str, *shared: Path) -> list[str]:
    """The command line of a program: a class made of a module's sources and of those that modules share."""
    folder = FOLDER / module
    sources = [*shared, *sorted(folder.glob("*.java"))]
    class_path = resolved(["--projects", module], [POM, folder / "pom.xml"], sources, folder / "target", release=11)
    return ["java", *SMALL_JVM, "-classpath", class_path, program]


def build_spring(line: str) -> list[str]:
    """The command line of the application, on a line of Spring Boot: a profile of its project."""
    target = SPRING / "target" / line
    sources = [SPRING / "Application.java"]
    class_path = resolved(["--activate-profiles", line], [SPRING / "pom.xml"], sources, target, release=17)
    return ["java", *SMALL_JVM, "-classpath", class_path, "application.Application"]


def resolved(choice: list[str], poms: list[Path], sources: list[Path], target: Path, release: int) -> str:
    """The class path of what the sources are compiled to for that release of Java, and of the libraries of a project.

    Maven is asked only when a version or the program has changed; the program is run without it. `choice`: what it
    is asked to resolve of the project, whose files `poms` are, the root's first."""
    root = poms[0].parent
    jars = str(target / "lib" / "*")
    classes = target / "classes"

    def resolve_and_compile() -> None:
        run(["mvn", "--batch-mode", "--quiet", *choice], root)
        javac = ["javac", "--release", str(release), "-encoding", "UTF-8", "-classpath", jars, "-d", str(classes)]
        run([*javac, *map(str, sources)], root)

    built(target, [*poms, *sources], resolve_and_compile)
    return f"{classes}:{jars}"
