"""One of several processes that answer HTTP; started by `cella.cli.processes` alone."""

import sys

from cella.cli.processes import serve_for_supervisor

if __name__ == "__main__":
    sys.exit(serve_for_supervisor(int(sys.argv[1])))
