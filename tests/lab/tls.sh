# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Certificates for the QEMU of both nodes, made in the lab. To be sourced after driver.sh.
#
#	authority; certificate node01 node01; certificate node02 node02

# A certificate for QEMU on node $1 that says "$2"; all have one authority.
certificate() {
	# shellcheck disable=SC2016 # for the node's shell
	lab exec "$1" -- bash -c '
		set -e
		mkdir -p /etc/pki/qemu && cd /etc/pki/qemu
		cat >ca.key; printf "cn = lab\nca\ncert_signing_key\n" >ca.cfg
		printf "cn = %s\ndns_name = %s\ntls_www_server\ntls_www_client\nsigning_key\nencryption_key\n" "$1" "$1" >me.cfg
		cp /etc/pki/ca.pem ca-cert.pem
		certtool --generate-privkey --key-type ecdsa --outfile server-key.pem
		certtool --generate-certificate --load-privkey server-key.pem --load-ca-certificate ca-cert.pem \
			--load-ca-privkey ca.key --template me.cfg --outfile server-cert.pem
		cp server-cert.pem client-cert.pem
		cp server-key.pem client-key.pem
		chmod 644 ./*.pem' certificate "$2" <"$T/ca.key" >"$T/certtool" 2>&1 || cat "$T/certtool"
}

authority() {
	local node
	lab exec node01 -- certtool --generate-privkey --key-type ecdsa >"$T/ca.key" 2>"$T/certtool"
	lab exec node01 -- bash -c 'cat >/tmp/ca.key; printf "cn = lab\nca\ncert_signing_key\n" >/tmp/ca.cfg
		certtool --generate-self-signed --load-privkey /tmp/ca.key --template /tmp/ca.cfg' \
		<"$T/ca.key" >"$T/ca.pem" 2>"$T/certtool"
	for node in node01 node02; do
		lab push "$node" "$T/ca.pem" /etc/pki/ca.pem 644
	done
}
