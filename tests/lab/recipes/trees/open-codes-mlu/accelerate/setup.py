from setuptools import setup

setup(name="accelerate", version="0.0.1", packages=["accelerate"])
