from setuptools import setup

setup(name="peft", version="0.0.1", packages=["peft"])
