"""Labels decide which agents may take a run: the agent's labels must contain all of the run's.

A run without labels goes only to an agent that takes unlabelled ones. Besides, the agent must launch the run's kind of
run config. `explain` says in words why nobody can take a run.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from headrace import errors
from headrace.core import reasons, states

#: The longest label, in characters.
LONGEST = 100


class Offer(msgspec.Struct, frozen=True):
    """What one connected agent takes: `launches` names the kinds of run config."""

    name: str
    labels: Collection[str] = ()
    takes_unlabelled: bool = True
    launches: Collection[str] = ()


def normalised(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels sorted, each once. Invalid, naming the label, when one is empty, too long, or has a space or a comma."""
    if isinstance(labels, str):
        raise errors.Invalid(
            f"labels must be a list, not the string {labels!r}: write [{labels!r}].",
            fields={"labels": "must be a list of strings"},
        )
    found: set[str] = set()
    for label in labels:
        if problem := _problem(label):
            raise errors.Invalid(f"The label {label!r} {problem}.", fields={"labels": f"{label!r} {problem}"})
        found.add(label)
    return tuple(sorted(found))


def _problem(label: object) -> str | None:
    if not isinstance(label, str):
        return "is not a string"
    if not label:
        return "is empty"
    if len(label) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if "," in label or any(character.isspace() or not character.isprintable() for character in label):
        return "has a space, a comma or a control character in it"
    return None


def missing(run_labels: Iterable[str], agent_labels: Iterable[str]) -> tuple[str, ...]:
    """The run's labels that the agent does not have, sorted."""
    return tuple(sorted(set(run_labels) - set(agent_labels)))


def matches(run_labels: Collection[str], agent_labels: Iterable[str], *, takes_unlabelled: bool) -> bool:
    """Whether an agent with these labels may take a run with those."""
    if not run_labels:
        return takes_unlabelled
    return not missing(run_labels, agent_labels)


def explain(run_labels: Collection[str], kind: str, agents: Sequence[Offer]) -> states.Reason | None:
    """Why no agent can take a run with these labels and this kind of run config, or None when one can."""
    if not agents:
        return reasons.because("no_agent")
    able = [agent for agent in agents if kind in agent.launches]
    if not able:
        kinds = sorted({launched for agent in agents for launched in agent.launches})
        offered = f"they launch {', '.join(kinds)}" if kinds else "they launch nothing"
        return reasons.because("no_launcher", kind=kind, offered=offered)
    if any(matches(run_labels, agent.labels, takes_unlabelled=agent.takes_unlabelled) for agent in able):
        return None
    if not run_labels:
        names = ", ".join(sorted(agent.name for agent in able))
        return reasons.because("unlabelled", agents=names)
    closest = min(able, key=lambda agent: (len(missing(run_labels, agent.labels)), agent.name))
    lacking = missing(run_labels, closest.labels)
    words = f"the label {lacking[0]}" if len(lacking) == 1 else f"the labels {', '.join(lacking)}"
    return reasons.because("labels_missing", closest=closest.name, labels=words)
