from setuptools import setup

setup(name="peft", version="0.3.0.dev0", packages=["peft"])
