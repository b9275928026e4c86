"""Cutover in Airflow; the only package that imports airflow.

Nothing is imported here: a DAG file is parsed every few seconds, and takes only the module it needs.
"""
