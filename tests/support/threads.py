"""Run functions in threads, each with its own database connection; collect their errors."""

from threading import Thread

from django.db import connection


class Threads:
    """Call `start` for each function, then `join`, which returns the errors."""

    def __init__(self):
        self.errors, self.running = [], []

    def start(self, work):
        """Start a thread; return it."""
        self.running.append(Thread(target=self._run, args=(work,)))
        self.running[-1].start()
        return self.running[-1]

    def join(self, seconds=120):
        """Wait until all have ended; return their errors."""
        for thread in self.running:
            thread.join(seconds)
        assert not any(thread.is_alive() for thread in self.running), "they wait for each other"
        return self.errors

    def _run(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - given to the test
            self.errors.append(error)
        finally:
            connection.close()
