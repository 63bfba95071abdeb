#!/bin/sh
# Makes a self-signed certificate for https://localhost/, good for trying things out.
set -eu
mkdir -p tls
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
	-keyout tls/key.pem -out tls/cert.pem
