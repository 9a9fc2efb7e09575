"""How gunicorn serves the site; read by `gunicorn toggbill.wsgi` in this folder. What is given on its line wins."""

# Visitors who send or read slowly hold no thread.
worker_class = "toggbill.serving.gunicorn_worker.BufferingWorker"
# Requests at once in each process; each has a connection to the database of its own.
threads = 8
# gunicorn would open it in HOME, where a second site of the same user takes it over.
control_socket_disable = True
