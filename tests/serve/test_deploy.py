"""The files for operators say what the code does: flags and metrics that exist, and no rights too many.

No engine runs here: these are checks of the files themselves. Where a tool of the trade is installed
(hadolint, systemd-analyze), it is asked too.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from masquerade.mask.policy import Policy
from masquerade.serve.cli import command_line
from masquerade.serve.gateway import _ROUTES
from masquerade.serve.metrics import Metrics
from masquerade.serve.settings import Settings

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def check_arguments(arguments: list[str]) -> Settings:
    """As the command itself reads them."""
    told = command_line().parse_args(arguments)
    known = {
        name: value
        for name, value in vars(told).items()
        if name in Settings.__dataclass_fields__ and value is not None
    }
    return Settings(**known)


# -- metrics -----------------------------------------------------------------------------------------------


def series() -> set[str]:
    """The names of all that ``/metrics`` can hold."""
    kinds = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    found = set()
    for metric in Metrics()._registry.collect():
        found |= {metric.name + suffix for suffix in kinds[metric.type]}
    return found


def named(expressions: str) -> set[str]:
    return set(re.findall(r"\bmasquerade_\w+", expressions))


def base(name: str) -> str:
    return re.sub(r"_(?:total|bucket|sum|count)$", "", name)


def panels() -> list[dict[str, Any]]:
    return list(json.loads(text("grafana/dashboard.json"))["panels"])


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    expressions = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    shown = named("\n".join(expressions))
    assert shown <= series()
    assert {base(name) for name in shown} == {base(name) for name in series()}


def test_the_dashboard_is_one() -> None:
    told = json.loads(text("grafana/dashboard.json"))
    assert {"uid", "title", "schemaVersion", "panels", "templating", "time"} <= told.keys()
    assert len({panel["id"] for panel in panels()}) == len(panels())
    variables = {each["name"] for each in told["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w+)", json.dumps(told)))
    assert used == variables
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", ()):
            assert "instance=~" in target["expr"]
            check_balance(target["expr"])


def check_balance(expression: str) -> None:
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    for opening, closing in ("()", "[]", "{}"):
        assert bare.count(opening) == bare.count(closing), expression


def test_alerts_are_about_metrics_that_exist() -> None:
    (group,) = yaml.safe_load(text("prometheus/alerts.yml"))["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    codes = set(re.findall(r"^\| (?:\d+[^|]*|-) \| `(\w+)` \|", (ROOT / "docs/gateway.md").read_text(), re.M))
    for rule in group["rules"]:
        assert named(rule["expr"]) <= series()
        assert named(rule["expr"]) or "up{" in rule["expr"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        check_balance(rule["expr"])
        for told in re.findall(r'code=~?"([^"]+)"', rule["expr"]):
            assert set(told.split("|")) <= codes
        for flag in re.findall(r"--[a-z-]+", rule["annotations"]["description"]):
            assert flag.removeprefix("--").replace("-", "_") in Settings.__dataclass_fields__


def test_prometheus_finds_the_gateway_and_the_rules() -> None:
    told = yaml.safe_load(text("prometheus/prometheus.yml"))
    assert all((DEPLOY / "prometheus" / name).exists() for name in told["rule_files"])
    (job,) = told["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("masquerade", "/metrics")
    (target,) = job["static_configs"][0]["targets"]
    host, _, port = target.partition(":")
    service = yaml.safe_load(text("compose.yaml"))["services"][host]
    assert f"--port={port}" in service["command"]


# -- containers --------------------------------------------------------------------------------------------


def instructions(dockerfile: str) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        yield word.upper(), rest


def faults(dockerfile: str, root: Path = ROOT) -> set[str]:
    """What a careful reader would say of a Dockerfile: some of hadolint's rules, and ours."""
    found: set[str] = set()
    given = list(instructions(dockerfile))
    starts = [i for i, (word, _) in enumerate(given) if word == "FROM"]
    arguments = dict(rest.split("=", 1) for word, rest in given if word == "ARG" and "=" in rest)
    stages: list[str] = []
    for i in starts:
        image, _, name = given[i][1].partition(" AS ")
        image = re.sub(r"\$\{(\w+)\}", lambda match: arguments.get(match[1], ""), image)
        if image not in stages and not re.search(r":[^:]*\d", image):
            found.add("an image without a version")
        stages.append(name)
    if len(starts) < 2:
        found.add("one stage")
    last = given[starts[-1] :]
    users = [rest for word, rest in last if word == "USER"]
    if not users or not re.fullmatch(r"[1-9][0-9]*(?::[1-9][0-9]*)?", users[-1]):
        found.add("runs as root, or as a name that orchestrators cannot tell from it")
    if sum(word == "HEALTHCHECK" for word, _ in last) != 1:
        found.add("no health check")
    for word, rest in given:
        if word == "ADD":
            found.add("ADD")
        if word in ("ENTRYPOINT", "CMD") and not isinstance(json.loads(rest), list):
            found.add("a command through a shell")
        careful = "--no-install-recommends" in rest and "/var/lib/apt/lists" in rest
        if word == "RUN" and "apt-get install" in rest and not careful:
            found.add("packages nobody asked for, or their lists left")
        if word == "RUN" and "pip install" in rest and "--no-cache-dir" not in rest:
            found.add("the cache of pip")
        if word == "ENV" and re.search(r"(?i)key|secret|token|password", rest):
            found.add("a secret in the image")
        if word == "COPY":
            source = re.match(r"--from=(\S+) ", rest)
            if source and source[1] not in stages:
                found.add("a copy from nowhere")
            if not source and not all((root / name).exists() for name in shlex.split(rest)[:-1]):
                found.add("a copy of what is not there")
    if any(word == "RUN" and re.search(r"compiler|build-essential|gcc", rest) for word, rest in last):
        found.add("a compiler in what runs")
    return found


def test_the_image_is_built_with_care() -> None:
    assert faults(text("Dockerfile")) == set()
    given = list(instructions(text("Dockerfile")))
    (entry,) = (json.loads(rest) for word, rest in given if word == "ENTRYPOINT")
    (command,) = (json.loads(rest) for word, rest in given if word == "CMD")
    assert entry == ["masquerade"]
    check_arguments(command)
    (health,) = (rest for word, rest in given if word == "HEALTHCHECK")
    assert "/readyz" in health
    program = json.loads(health[health.index("[") :])
    compile(program[2], "healthcheck", "exec")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("USER 10001:10001", "USER masquerade"), "runs as root"),
        (("USER 10001:10001\n", ""), "runs as root"),
        (("3.11-slim-bookworm", "latest"), "without a version"),
        (("COPY src ./src", "COPY sources ./src"), "not there"),
        (("--from=build", "--from=builder"), "from nowhere"),
        (("--no-install-recommends ", ""), "nobody asked for"),
        (("ENV PATH", "ENV MASQUERADE_KEY=x PATH"), "a secret"),
    ],
)
def test_the_reader_of_dockerfiles_sees_faults(change: tuple[str, str], fault: str) -> None:
    changed = text("Dockerfile").replace(*change)
    assert changed != text("Dockerfile")
    assert any(fault in each for each in faults(changed))


def test_what_is_sent_to_be_built_is_what_is_copied() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name
        for word, rest in instructions(text("Dockerfile"))
        if word == "COPY" and not rest.startswith("--from")
        for name in shlex.split(rest)[:-1]
    }
    assert copied == kept


@pytest.mark.skipif(
    shutil.which("hadolint") is None,
    reason="hadolint is not on the path",
)
def test_hadolint_agrees() -> None:
    command = ["hadolint", "--ignore", "DL3008", str(DEPLOY / "Dockerfile")]  # versions of Debian's packages
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_services_have_no_rights_too_many() -> None:
    told = yaml.safe_load(text("compose.yaml"))
    assert set(told["services"]) == {"gateway", "redis", "prometheus", "grafana"}
    for name, service in told["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"]
        assert not service.get("privileged")
        assert "image" in service
        assert re.search(r":v?\d|:local$", service["image"])
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} is open to everyone"
        for network in service["networks"]:
            assert network in told["networks"]
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./") and source != "./policy.toml":
                assert (DEPLOY / source).exists(), source
            elif not source.startswith("."):
                assert source in told["volumes"]
    gateway = told["services"]["gateway"]
    assert gateway["read_only"]
    assert (DEPLOY / gateway["build"]["context"] / gateway["build"]["dockerfile"]).resolve() == (
        DEPLOY / "Dockerfile"
    )
    command = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", part) for part in gateway["command"]]
    settings = check_arguments(command)
    assert {path.name for path in (settings.upstream_key_file, settings.client_keys) if path} == set(
        gateway["secrets"]
    )
    grace = float(gateway["stop_grace_period"].removesuffix("s"))
    assert grace > settings.grace
    assert told["networks"]["inside"]["internal"]


# -- systemd -----------------------------------------------------------------------------------------------


class Unit(configparser.RawConfigParser):
    """Names are what they are, and may be there twice."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit() -> configparser.RawConfigParser:
    parser = Unit(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.read_string(re.sub(r" \\\n\s+", " ", text("masquerade.service")))
    return parser


def test_the_unit_starts_what_exists_and_may_do_little() -> None:
    service = dict(unit()["Service"])
    program, *arguments = shlex.split(service["ExecStart"])
    assert program.endswith("/masquerade")
    settings = check_arguments(arguments)
    assert settings.loopback
    assert float(service["TimeoutStopSec"]) > settings.grace
    wanted = {
        **dict.fromkeys(
            (
                *("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "PrivateUsers"),
                *("ProtectHome", "ProtectClock", "ProtectControlGroups", "ProtectHostname"),
                *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "RestrictNamespaces"),
                *("RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute"),
            ),
            "yes",
        ),
        "ProtectSystem": "strict",
        "CapabilityBoundingSet": "",
        "SystemCallArchitectures": "native",
        "UMask": "0077",
        "LimitCORE": "0",
        "ExecReload": "/bin/kill -HUP $MAINPID",
    }
    assert {name: service.get(name) for name in wanted} == wanted
    loaded = re.findall(r"^LoadCredential=([\w-]+):", text("masquerade.service"), re.MULTILINE)
    assert set(loaded) == {"key", "upstream-key"}
    assert service["Environment"] == "MASQUERADE_HOME=%d"


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not on the path",
)
def test_systemd_agrees() -> None:
    file = str(DEPLOY / "masquerade.service")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, timeout=60
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "is not executable" not in line]
    assert said == []
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", file],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert rated.returncode == 0, rated.stdout[-200:]


# -- Kubernetes --------------------------------------------------------------------------------------------


def objects() -> dict[str, dict[str, Any]]:
    found = {each["kind"]: each for each in yaml.safe_load_all(text("kubernetes.yaml"))}
    assert len(found) == len(list(yaml.safe_load_all(text("kubernetes.yaml"))))
    return found


def test_the_manifest_has_what_it_needs() -> None:
    kinds = {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}
    assert objects().keys() == kinds
    versions = {kind: each["apiVersion"] for kind, each in objects().items()}
    assert versions == {
        "ConfigMap": "v1",
        "Deployment": "apps/v1",
        "Service": "v1",
        "PodDisruptionBudget": "policy/v1",
        "NetworkPolicy": "networking.k8s.io/v1",
    }
    assert {each["metadata"]["namespace"] for each in objects().values()} == {"masquerade"}
    Policy.parse(objects()["ConfigMap"]["data"]["policy.toml"], finders=False)


def test_the_objects_mean_the_same_pods() -> None:
    found = objects()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    assert found["Deployment"]["spec"]["replicas"] > found["PodDisruptionBudget"]["spec"]["minAvailable"]


def test_the_pod_is_closed_and_its_probes_exist() -> None:
    pod = objects()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    settings = check_arguments(container["args"])
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in text("Dockerfile")
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.port}
    assert objects()["Service"]["spec"]["ports"][0]["targetPort"] in ports
    for probe, path in (
        ("startupProbe", "/readyz"),
        ("readinessProbe", "/readyz"),
        ("livenessProbe", "/healthz"),
    ):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
        assert path in _ROUTES
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > waits + settings.grace
    volumes = {each["name"] for each in pod["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts.keys() == volumes
    assert not any("subPath" in each for each in container["volumeMounts"]), "would hide a changed policy"
    secret = next(each["secret"] for each in pod["volumes"] if "secret" in each)
    for path in (settings.upstream_key_file, settings.client_keys):
        assert path is not None
        assert str(path.parent) == mounts["secrets"]
        assert path.name in {item["path"] for item in secret["items"]}
    assert settings.policy is not None
    assert str(settings.policy.parent) == mounts["policy"]
    assert settings.policy.name in objects()["ConfigMap"]["data"]
    assert "value" not in container["env"][0], "a secret in a manifest"


def test_the_network_is_closed() -> None:
    policy = objects()["NetworkPolicy"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    dns, service = policy["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert {port["port"] for port in service["ports"]} == {443}
    (block,) = service["to"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(
        block["ipBlock"]["except"]
    )
    assert all("from" in rule for rule in policy["ingress"])


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.y*ml")), ids=lambda path: path.name)
def test_every_file_is_yaml(path: Path) -> None:
    assert list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
