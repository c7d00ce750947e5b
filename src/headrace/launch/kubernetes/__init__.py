"""Workloads as Jobs of a Kubernetes cluster, from inside of it or from outside.

Spoken is the API server's HTTP, with what the library has already: the official client would weigh more than all of
Headrace and takes a second to import, and an agent needs four kinds of objects.
"""
