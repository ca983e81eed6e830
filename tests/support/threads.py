"""Works in threads, each with a connection of its own to the database; what goes wrong in one belongs to the test."""

from threading import Thread

from django.db import connection


class Threads:
    """Start some, join them, look at ``errors``."""

    def __init__(self):
        self.errors, self.running = [], []

    def start(self, work):
        """Begin at once; the thread."""
        self.running.append(Thread(target=self._run, args=(work,)))
        self.running[-1].start()
        return self.running[-1]

    def join(self, seconds=120):
        """Until all are over; what went wrong."""
        for thread in self.running:
            thread.join(seconds)
        assert not any(thread.is_alive() for thread in self.running), "they wait for each other"
        return self.errors

    def _run(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - see above
            self.errors.append(error)
        finally:
            connection.close()
