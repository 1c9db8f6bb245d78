"""The self-hosted stack as ordinary processes, without containers: PostgreSQL, an S3-compatible store, MLflow.

``make stack`` runs it in a terminal. Tests and drills start it by themselves, whole or in parts::

    with running_stack(folder) as stack:
        client = MlflowClient(stack.tracking_uri)      # artifacts go through the server to S3
        os.environ.update(stack.client_environment)    # what a client needs that talks to S3 itself

All listen on 127.0.0.1 only, on free ports that stay the same as long as nobody else takes them. All data lies in the
folder: started again, the stack has what it had.

==================  ================================================================================
``service``         one process: started, waited for, stopped, killed
``programs``        where the programs are, and what to install where they are not
``postgresql``      the database
``object_store``    S3: OpenStack Swift with its S3 interface
``tracking``        ``mlflow server`` with this project's plug-in
``stack``           the three together
==================  ================================================================================

It needs PostgreSQL's programs, the environment of the other commands, and, as Swift does, Linux.
"""

from scripts.stack.object_store import ObjectStore
from scripts.stack.postgresql import Database
from scripts.stack.programs import NotInstalledError
from scripts.stack.service import Service, StackError, free_port
from scripts.stack.stack import Stack, running_stack
from scripts.stack.tracking import TrackingServer

__all__ = [
    "Database",
    "NotInstalledError",
    "ObjectStore",
    "Service",
    "Stack",
    "StackError",
    "TrackingServer",
    "free_port",
    "running_stack",
]
