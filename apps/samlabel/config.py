"""App configuration: the host's conf strings, read once into a frozen value.

`samlabel serve` passes them on from its options; the host's own command line as `--conf KEY VALUE`:

    model           name of the network: tiny, or one that `samlabel models list` names; auto: several,
                    for each label the one that needs fewest clicks on accepted cases             (tiny)
    models          with model auto: which ones, comma-separated, the first answers what none was chosen for
                    (all that were added)                                                            ()
    models_mb       of models besides the first one kept in memory                                (2048)
    adapter         trained on accepted labels: latest, none, or an adapter's id               (latest)
    precision       of the encoder's numbers: auto (bfloat16 or half where that is faster), float32, bfloat16 (auto)
    compile         have torch compile the encoder when it is loaded: minutes, worth it on a GPU only (false)
    runtime         of the encoder: auto (OpenVINO where it is installed: half of the time), torch, openvino  (auto)
    labels          comma-separated names; without it the studies' dataset.json, else "object"       ()
    warm_up         load weights and answer one click before listening                           (true)
    prefetch        encode the slices around a click while its reader thinks                     (true)
    memory_mb       encoded slices kept in memory                                                 (512)
    disk_mb         encoded slices kept on disk                                                  (4096)
    volumes_mb      images kept in memory                                                        (2048)
    image_mb        largest image or label that is read, unpacked; also SAMLABEL_IMAGE_MB for commands  (2048)
    upload_mb       largest request with files                                                   (2048)
    lease_seconds   how long a case stays with a reader of whom nothing is heard                  (900)
    gate_cases      held-out cases without which no adapter is promoted but by hand                 (3)
    gate_margin     Dice that no label may lose                                                  (0.02)
    gate_gain       least gain of mean Dice that is worth a promotion                           (0.002)
    gate_promote    let the gate promote; false leaves every promotion to a person               (true)
    alarm_cases     accepted labels before and after a promotion that an alarm needs                (5)
    alarm_rise      rise of the mean edit distance that raises one                               (0.05)
    alarm_rollback  go back by itself to what served before                                     (false)
    random_is       strategy for viewers that can only ask for `random`, as OHIF's own panel  (sam_hybrid)
    control_share   share of cases drawn at random, to say what choosing them is worth            (0.2)
    fallback        draw all of them where choosing was measured not to help                     (true)
    viewer_origins  web addresses, comma-separated, whose pages may use this server: an OHIF that runs elsewhere ()
    oidc_issuer     logins by OpenID Connect: the provider's address; with it oidc_client, oidc_address, oidc_roles ()
    oidc_client     this server's name at the provider; its secret: SAMLABEL_OIDC_SECRET, or in a file ()
    oidc_secret_file  that file                                                                      ()
    oidc_address    this server's own address, as browsers reach it                                  ()
    oidc_roles      GROUP=ROLE, comma-separated: who is what here, by groups of the provider         ()
    oidc_projects   GROUP=PROJECT, comma-separated: whose cases an annotator sees                    ()
    oidc_groups_claim  the claim with groups; `#` goes into objects                              (groups)
    oidc_name_claim  the claim with a person's name                                  (preferred_username)
    oidc_scopes     what is asked of the provider                                  (openid profile email)
    oidc_ca_file    certificates (PEM) of a provider that the hospital itself vouches for            ()
    oidc_skew_seconds  how far clocks may differ                                                     (60)
    logins          accounts of this server: whoever comes has to log in (docs/security.md)         (false)
    login_idle_minutes  a login ends when nothing is heard for so long                              (60)
    login_hours     a login ends after so long                                                       (12)
    proxies         addresses or networks, comma-separated, of proxies whose x-forwarded-... is believed  ()
    scoring         score cases in the background: after a promotion, and new ones               (true)
    scoring_measure how doubt is measured: `samlabel score --help`; adapters once two were promoted (combined)
    scoring_most    cases that are scored by themselves; `samlabel score` scores any number       (300)
    online          aux: learn from each accepted label at once, beside the network (docs/prompts.md); off     (off)
    online_for      whose labels teach whose answers: team, or each reader alone                   (team)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from sam_infer.errors import ModelError
from sam_infer.imaging.claims.claim import DEFAULT_MB
from sam_infer.networks.runtimes.precision import AUTO, PRECISIONS
from sam_infer.networks.runtimes.runtime import OPENVINO, RUNTIMES, installed
from sam_infer.uncertainty.error_correlation import offered
from sam_infer.uncertainty.measures import DEFAULT, MEASURES
from sam_infer.weights.available import added_models, require_added
from sam_trainer.active.policy import SelectionPolicy
from sam_trainer.errors import TrainingError
from sam_trainer.judging.policy import GatePolicy, WatchPolicy
from samlabel.errors import ConfigError

# Read by the host itself from the same dictionary.
HOST_KEYS = {"server_mode"}

# What `model` may be besides a model's name, and `adapter` besides an adapter's id.
AUTO_MODEL, LATEST = "auto", "latest"

# Settings that are one of a few words.
CHOICES = {"online": ("off", "aux"), "online_for": ("team", "reader")}

TRUE, FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class AppConfig:
    """Settings of one app; the module's docstring says what each means."""

    model: str = "tiny"  # the first of `models` where there are several
    models: tuple[str, ...] = ()
    models_mb: int = 2048
    adapter: str = LATEST
    precision: str = AUTO
    compile: bool = False
    runtime: str = RUNTIMES[0]
    labels: tuple[str, ...] = ()
    warm_up: bool = True
    prefetch: bool = True
    memory_mb: int = 512
    disk_mb: int = 4096
    volumes_mb: int = 2048
    image_mb: int = DEFAULT_MB
    upload_mb: int = 2048
    lease_seconds: int = 900
    gate_cases: int = GatePolicy.held_out_cases
    gate_margin: float = GatePolicy.margin
    gate_gain: float = GatePolicy.least_gain
    gate_promote: bool = True
    alarm_cases: int = WatchPolicy.cases
    alarm_rise: float = WatchPolicy.rise
    alarm_rollback: bool = False
    random_is: str = SelectionPolicy.random_is
    control_share: float = SelectionPolicy.control_share
    fallback: bool = SelectionPolicy.fallback
    viewer_origins: tuple[str, ...] = ()
    oidc_issuer: str = ""
    oidc_client: str = ""
    oidc_secret_file: str = ""
    oidc_address: str = ""
    oidc_roles: tuple[str, ...] = ()
    oidc_projects: tuple[str, ...] = ()
    oidc_groups_claim: str = "groups"
    oidc_name_claim: str = "preferred_username"
    oidc_scopes: str = "openid profile email"
    oidc_ca_file: str = ""
    oidc_skew_seconds: int = 60
    logins: bool = False
    login_idle_minutes: int = 60
    login_hours: int = 12
    proxies: tuple[str, ...] = ()
    scoring: bool = True
    scoring_measure: str = DEFAULT
    scoring_most: int = 300
    online: str = "off"
    online_for: str = "team"

    def __post_init__(self) -> None:
        try:
            _ = self.gate_policy, self.watch_policy
        except TrainingError as error:
            raise ConfigError(f"the settings gate_... or alarm_... cannot be used: {error}", error.field) from error
        try:
            _ = self.selection_policy
        except TrainingError as error:  # its fields are called as the settings are
            raise ConfigError(str(error), error.field) from error
        if self.scoring_measure not in MEASURES:
            raise ConfigError(
                f"scoring_measure must be one of {', '.join(offered())}, got {self.scoring_measure!r}",
                "scoring_measure",
            )
        self._check_encoder()
        _check_choices(self)
        for name in ("image_mb", "upload_mb", "models_mb", "login_idle_minutes", "login_hours"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1", name)
        for origin in self.viewer_origins:
            _check_origin(origin)

    def _check_encoder(self) -> None:
        for name, known in (("precision", PRECISIONS), ("runtime", RUNTIMES)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}", name)
        if self.runtime == OPENVINO and not installed():
            raise ConfigError("OpenVINO is not installed: `make openvino`, or leave runtime out", "runtime")

    @property
    def gate_policy(self) -> GatePolicy:
        """When an adapter may serve."""
        return GatePolicy(self.gate_cases, self.gate_gain, self.gate_margin, promote=self.gate_promote)

    @property
    def watch_policy(self) -> WatchPolicy:
        """When one that serves is doubted."""
        return WatchPolicy(self.alarm_cases, self.alarm_rise, rollback=self.alarm_rollback)

    @property
    def selection_policy(self) -> SelectionPolicy:
        """How the next case is chosen."""
        return SelectionPolicy(self.random_is, self.control_share, self.fallback)

    @classmethod
    def of(cls, conf: Mapping[str, Any]) -> AppConfig:
        """The settings that the host was started with; an unknown key is refused, not ignored."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(conf) - known - HOST_KEYS)
        if unknown:
            raise ConfigError(f"unknown setting {unknown[0]!r}; known are {', '.join(sorted(known))}", unknown[0])
        values = {name: _value(name, conf[name]) for name in known & set(conf)}
        return cls(**_with_models(values))


def _with_models(values: dict[str, Any]) -> dict[str, Any]:
    """The same with the models that `auto` means, and the first of them as the main one."""
    models = values.get("models", ())
    if values.get("model") != AUTO_MODEL:
        if models:
            raise ConfigError("models is for model auto: say `model auto`, or leave models out", "models")
        return values
    if values.get("adapter", LATEST) != LATEST:
        raise ConfigError(f"model auto serves what the gate promoted: leave adapter {values['adapter']} out", "adapter")
    models = models or added_models()
    for name in models:
        try:
            require_added(name)
        except ModelError as error:
            raise ConfigError(str(error), "models") from error
    if len(models) < 2 or len(set(models)) != len(models):
        raise ConfigError(
            f"model auto needs at least two different models, got {', '.join(models)}: add one with "
            "`samlabel models add`, or choose one by its name",
            "models",
        )
    return {**values, "model": models[0], "models": models}


def _check_choices(config: AppConfig) -> None:
    for name, choices in CHOICES.items():
        if getattr(config, name) not in choices:
            raise ConfigError(f"{name} must be {' or '.join(choices)}, got {getattr(config, name)!r}", name)


def _check_origin(text: str) -> None:
    """An origin as browsers send it: scheme, host and port, nothing more; `*` and `null` are everybody."""
    try:
        split = urlsplit(text)
        fits = split.scheme in ("http", "https") and split.hostname and f"{split.scheme}://{split.netloc}" == text
        plain = bool(fits) and split.port != 0 and not set("*@\\") & set(text) and text == text.lower()
    except ValueError:  # a port that is none
        plain = False
    if not plain:
        raise ConfigError(
            "viewer_origins must be web addresses without a path, in small letters, such as "
            f"https://ohif.hospital:3000, got {text!r}",
            "viewer_origins",
        )


def _value(name: str, text: Any) -> Any:
    default = getattr(AppConfig, name)
    text = str(text).strip()
    if isinstance(default, bool):
        return flag(name, text)
    if isinstance(default, int):
        if not text.isdecimal():
            raise ConfigError(f"{name} must be a whole number, got {text!r}", name)
        return int(text)
    if isinstance(default, float):
        return _fraction(name, text)
    if isinstance(default, tuple):
        return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not text:
        raise ConfigError(f"{name} must not be empty", name)
    return text


def _fraction(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name} must be a number, got {text!r}", name) from None


def flag(name: str, text: str) -> bool:
    """A switch as text: true or false, yes or no, on or off, 1 or 0."""
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ConfigError(f"{name} must be true or false, got {text!r}", name)
