"""An Explanations tab in MLflow's tracking UI: what ``mlflow server --app-name explanations`` loads.

The plugin adds static files to MLflow's server and one script to its start page, and nothing else: no route that
returns data, none that changes anything. Pages fetch what they show from MLflow's own endpoints, in the user's
browser, so that MLflow's permissions decide. It imports nothing of the library, and nothing that MLflow's server does
not import itself.

- ``app``: the app behind ``--app-name explanations``.
- ``basic_auth``: the same behind MLflow's basic-auth, ``--app-name explanations-basic-auth``.
- ``pages``: the static files and the start page.
- ``versions``: which MLflow it works with.
- ``js``: the sources of ``static``, the front end.
"""
