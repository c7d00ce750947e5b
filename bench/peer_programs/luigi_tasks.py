"""Runs inside luigi's environment: `noop COUNT`, `fib COUNT N`, each with the port of a luigid behind it or alone."""

import sys

import luigi

arguments = sys.argv[1:]
#: Done ones; luigi asks a task whether it is.
done: set[tuple[str, int]] = set()


def plain_fib(n: int) -> int:
    return n if n < 2 else plain_fib(n - 1) + plain_fib(n - 2)


class Noop(luigi.Task):
    number = luigi.IntParameter()

    def run(self):
        done.add(("noop", self.number))

    def complete(self):
        return ("noop", self.number) in done


class Fib(luigi.Task):
    number = luigi.IntParameter()
    n = luigi.IntParameter()

    def requires(self):
        return Fib(number=self.number - 1, n=self.n) if self.number else []

    def run(self):
        plain_fib(self.n)
        done.add(("fib", self.number))

    def complete(self):
        return ("fib", self.number) in done


def build(tasks: list[luigi.Task], port: str = "") -> None:
    where = (
        {"scheduler_host": "127.0.0.1", "scheduler_port": int(port)} if port else {"local_scheduler": True}
    )
    assert luigi.build(tasks, log_level="CRITICAL", no_lock=True, **where)


match arguments:
    case ["noop", count, *port]:
        build([Noop(number=number) for number in range(int(count))], *port)
    case ["fib", count, n, *port]:
        build([Fib(number=int(count) - 1, n=int(n))], *port)
