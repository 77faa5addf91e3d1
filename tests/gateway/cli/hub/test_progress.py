"""Twin of gateway/cli/hub/progress.py."""

from gateway.cli.hub.progress import Progress

MB = 1_000_000


class Watched:
    """A progress of 100 MB, and its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.progress = Progress("a/b", 100 * MB, 10.0, self.said.append, lambda: self.now)


def test_first_line_comes_at_once():
    """And says of what."""
    watched = Watched()
    watched.progress.tell(0)
    assert watched.said == ["downloading a/b: 0 of 100 MB (0 %)"]


def test_line_for_each_five_per_cent():
    """However fast it goes."""
    watched = Watched()
    for done in range(101):
        watched.progress.tell(done * MB)
    assert len(watched.said) == 21
    assert watched.said[-1] == "downloading a/b: 100 of 100 MB (100 %)"


def test_slow_download_shows_that_it_lives():
    """A line in ten seconds, if there is anything new."""
    watched = Watched()
    watched.progress.tell(0)
    watched.now = 5.0
    watched.progress.tell(MB)
    watched.now = 11.0
    watched.progress.tell(MB)
    watched.now = 30.0
    watched.progress.tell(MB)
    assert [line.partition(": ")[2] for line in watched.said] == ["0 of 100 MB (0 %)", "1 of 100 MB (1 %)"]


def test_last_line_says_all():
    """Also where less than 5 % was left."""
    watched = Watched()
    for done in (0, 97 * MB, 97 * MB, 100 * MB, 100 * MB):
        watched.progress.tell(done)
    assert [line.rpartition(" (")[2] for line in watched.said] == ["0 %)", "97 %)", "100 %)"]


def test_it_never_goes_beyond_the_end():
    """Files on a disk take more than their bytes."""
    watched = Watched()
    watched.progress.tell(101 * MB)
    assert watched.said == ["downloading a/b: 100 of 100 MB (100 %)"]


def test_nothing_to_download_is_all_of_it():
    """Empty files."""
    said: list[str] = []
    Progress("a/b", 0, 10.0, said.append).tell(0)
    assert said == ["downloading a/b: 0 of 0 MB (100 %)"]
