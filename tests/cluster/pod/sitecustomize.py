"""A process that stands for a pod has the pod's name as its host's."""

import os
import socket

if name := os.environ.get("POD_NAME"):
    socket.gethostname = lambda: name
