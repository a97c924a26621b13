"""Reads an image of a registry over HTTP: its manifest, its configuration, and its layers."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from typing_extensions import override

from fleet.errors import CodedInputError
from fleet.language import _
from fleet.registry import credentials, local_docker
from fleet.registry.credentials import Credentials
from fleet.registry.image import Blob, RegistryImage
from fleet.registry.reference import Reference
from fleet.text.word_lists import join_words

#: longest time without an answer
TIMEOUT_S = 30
#: bounds of a manifest and of a configuration
MAX_MANIFEST_BYTES, MAX_CONFIG_BYTES = 4 << 20, 1 << 20
DOCKER_TYPE, OCI_TYPE = "application/vnd.docker.distribution", "application/vnd.oci.image"
INDEX_TYPES = (f"{DOCKER_TYPE}.manifest.list.v2+json", f"{OCI_TYPE}.index.v1+json")
MANIFEST_TYPES = (f"{DOCKER_TYPE}.manifest.v2+json", f"{OCI_TYPE}.manifest.v1+json")
CHALLENGE_PARAMETER = re.compile(r'([a-z]+)="([^"]*)"', re.IGNORECASE)


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects as long as they stay encrypted."""

    @override
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme != "https" and scheme != urlsplit(req.full_url).scheme:
            raise urllib.error.URLError(
                _("it redirects to {scheme}://", scheme=scheme or _("nowhere"))
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class RegistryClient:
    """Access to one repository of a registry.

    The system's CAs are trusted, and those that docker on this machine trusts for the registry
    (``/etc/docker/certs.d``). HTTP without TLS is used for registries on this machine and for those
    that docker on this machine is allowed to use like that (`insecure-registries`).

    Args:
        reference: an image of the repository.
        login: user and password (default: those that this machine's user has; see
            :func:`fleet.registry.credentials.find_own`).
        timeout_s: seconds without an answer.
    """

    def __init__(
        self, reference: Reference, login: Credentials | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.reference = reference
        self._login = login or credentials.find_own(reference.host)
        self._timeout_s = timeout_s
        self._scheme = "http" if local_docker.allows_plain_http(reference.host) else "https"
        self._opener = urllib.request.build_opener(
            _RedirectHandler,
            urllib.request.HTTPSHandler(context=local_docker.create_tls_context(reference.host)),
        )
        self._authorization = ""

    def read_image(self, architecture: str = "amd64") -> RegistryImage:
        """Read the manifest and the configuration of the image; some kilobytes.

        Args:
            architecture: docker's name of the processor architecture, for an image that exists for
                several.

        Returns:
            The image.

        Raises:
            CodedInputError: the registry or the image cannot be reached or used.
        """
        manifest = self._read_manifest(self.reference.digest)
        try:
            if "manifests" in manifest:  # an index
                manifest = self._read_manifest(self._select_digest(manifest, architecture))
            config, *layers = (
                Blob(str(entry["digest"]), int(entry["size"]))
                for entry in (manifest["config"], *manifest["layers"])
            )
            content = self._read_verified("blobs", config.digest, MAX_CONFIG_BYTES)
            document = json.loads(content)
            labels = (document.get("config") or {}).get("Labels") or {}
            found = {str(k): str(v) for k, v in labels.items() if k.startswith("com.cambricon.")}
            built_for = str(document.get("architecture") or "")
            system = str(document.get("os") or "linux")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise self._fail("IMAGE_NOT_FOUND", _("its manifest is not one of an image")) from error
        if system != "linux":
            raise self._fail(
                "IMAGE_NOT_FOUND", _("it is an image for {system}, not for linux", system=system)
            )
        return RegistryImage(content, tuple(layers), built_for, found)

    def open_blob(self, digest: str, begin: int = 0) -> http.client.HTTPResponse:
        """Open a file of the repository for reading.

        Args:
            digest: its digest, which the caller has to compare.
            begin: bytes to skip; the response has status 206 if the registry heeds it.

        Returns:
            The open response.

        Raises:
            CodedInputError: the registry or the file cannot be reached.
        """
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        return self._open(f"blobs/{digest}", headers)

    def _read_manifest(self, digest: str) -> dict[str, Any]:
        content = self._read_verified("manifests", digest, MAX_MANIFEST_BYTES)
        try:
            manifest = json.loads(content)
            if manifest["schemaVersion"] != 2:
                raise self._fail("IMAGE_NOT_FOUND", _("its manifest is of docker before 1.10"))
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise self._fail("IMAGE_NOT_FOUND", _("its manifest is not one of an image")) from error
        return dict(manifest)

    def _select_digest(self, index: dict[str, Any], architecture: str) -> str:
        """Return the digest of the manifest for an architecture."""
        platforms = []
        for entry in index.get("manifests") or ():
            platform = entry.get("platform") or {}
            if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
                return str(entry["digest"])
            platforms.append(f"{platform.get('os')}/{platform.get('architecture')}")
        there = join_words(name for name in platforms if name != "unknown/unknown") or _("nothing")
        raise self._fail(
            "IMAGE_NOT_FOUND",
            _(
                "it exists for {platforms:.200}, not linux/{architecture}",
                platforms=there,
                architecture=architecture,
            ),
        )

    def _read_verified(self, kind: str, digest: str, limit: int) -> bytes:
        """Read a small document, whose checksum is its name."""
        accept = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))
        with self._open(f"{kind}/{digest}", {"Accept": accept}) as response:
            try:
                content = response.read(limit + 1)
            except (OSError, http.client.HTTPException) as error:
                raise self._fail(
                    "REGISTRY_UNREACHABLE", _("interrupted: {error}", error=error)
                ) from error
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise self._fail(
                "IMAGE_NOT_FOUND",
                _("{kind}/{digest} has other bytes than its digest", kind=kind, digest=digest),
            )
        return content

    def _open(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        url = f"{self._scheme}://{self.reference.api_host}/v2/{self.reference.name}/{path}"
        try:
            return self._request(url, headers, self._authorization)
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise self._explain(error) from error
            challenge = error.headers.get("WWW-Authenticate") or ""
        self._authorization = self._authorize(challenge)
        try:
            return self._request(url, headers, self._authorization)
        except urllib.error.HTTPError as error:
            raise self._explain(error) from error

    def _authorize(self, challenge: str) -> str:
        """Return the Authorization header that a registry asks for (RFC 7235, 4.1).

        With the scheme Bearer, a token is fetched from the address that the challenge names.
        """
        scheme, _blank, rest = challenge.partition(" ")
        parameters = {key.lower(): value for key, value in CHALLENGE_PARAMETER.findall(rest)}
        if scheme.lower() == "basic":
            if self._login is None:
                raise self._fail("REGISTRY_LOGIN", _("it asks for a login, and there is none"))
            return self._login.basic
        realm = parameters.get("realm", "")
        if scheme.lower() != "bearer" or urlsplit(realm).scheme not in ("https", self._scheme):
            raise self._fail(
                "REGISTRY_LOGIN",
                _("it asks for an unknown login: {challenge!r}", challenge=challenge[:100]),
            )
        query = {"scope": f"repository:{self.reference.name}:pull"}
        if "service" in parameters:
            query["service"] = parameters["service"]
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        try:
            with self._request(url, {}, self._login.basic if self._login else "") as response:
                answer = json.loads(response.read(MAX_MANIFEST_BYTES))
            token = answer.get("token") or answer["access_token"]
        except urllib.error.HTTPError as error:
            raise self._explain(error) from error
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise self._fail(
                "REGISTRY_LOGIN", _("{realm:.200} gives no token", realm=realm)
            ) from error
        return f"Bearer {token}"

    def _request(
        self, url: str, headers: dict[str, str], authorization: str
    ) -> http.client.HTTPResponse:
        """Send one request; raise HTTPError for a status that is none of success."""
        request = urllib.request.Request(url, headers={"User-Agent": "mlu-fleet", **headers})
        if authorization:  # not for the server that a redirect leads to
            request.add_unredirected_header("Authorization", authorization)
        try:
            response: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout_s)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._explain_connection(error) from error
        return response

    def _explain(self, error: urllib.error.HTTPError) -> CodedInputError:
        """Turn a status into an error with a code."""
        words = ""
        with suppress(OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            words = json.loads(error.read(MAX_MANIFEST_BYTES))["errors"][0]["message"]
        detail = f"HTTP {error.code} {words or error.reason:.200}"
        if error.code in (401, 403):
            if self._login:
                detail = _("{problem}, as {user}", problem=detail, user=self._login.user)
            else:
                detail = _("{problem}, without a login", problem=detail)
            return self._fail("REGISTRY_LOGIN", detail)
        if error.code == 404:
            return self._fail("IMAGE_NOT_FOUND", detail)
        return self._fail("REGISTRY_UNREACHABLE", detail)

    def _explain_connection(self, error: Exception) -> CodedInputError:
        """Turn a connection that failed into an error with a code."""
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return self._fail("REGISTRY_CERTIFICATE", reason.verify_message)
        if isinstance(reason, ssl.SSLError) and reason.reason in (
            "WRONG_VERSION_NUMBER",
            "HTTP_REQUEST",
            "RECORD_LAYER_FAILURE",
        ):
            return self._fail("REGISTRY_INSECURE", _("it speaks HTTP without TLS"))
        if isinstance(reason, socket.timeout | TimeoutError):
            return self._fail(
                "REGISTRY_UNREACHABLE",
                _("no answer within {seconds:g} s", seconds=self._timeout_s),
            )
        return self._fail("REGISTRY_UNREACHABLE", str(reason))

    def _fail(self, code: str, detail: str) -> CodedInputError:
        return CodedInputError(
            code, _("{reference}: {detail}", reference=self.reference, detail=detail)
        )
