# SPDX-License-Identifier: Apache-2.0
# Reads the files of the volume with openssl and curl, and asks the server in a right way and in wrong ones.
FILES=/var/run/keystead
HOST=$SERVER:8443
STRANGER='-cert /app/stranger.crt -key /app/stranger.key'

# One line for what a command printed, and whether it succeeded.
say() {
  name=$1
  shift
  text=$("$@" 2>&1 </dev/null) && result=ok || result=failed
  echo "$name $result" $text
}

openssl_client() {
  anchors=$1
  shift
  # Ends when the server has answered; in TLS 1.3 it is only then that the client learns of a refusal.
  printf 'GET / HTTP/1.0\r\n\r\n' |
    openssl s_client -connect "$HOST" -verify_hostname "$SERVER" -CAfile "$anchors" -verify_return_error -quiet "$@"
}

until [ -e $FILES/tls.key ]; do sleep 0.1; done
while :; do
  say names openssl x509 -in $FILES/tls.crt -noout -ext subjectAltName
  say verify openssl verify -crl_check -CAfile $FILES/ca.crt -CRLfile $FILES/crl.pem -untrusted $FILES/tls.crt $FILES/tls.crt
  say verify-other openssl verify -CAfile /app/stranger.crt $FILES/tls.crt
  say key openssl pkey -in $FILES/tls.key -noout -check
  say s_client openssl_client $FILES/ca.crt -cert $FILES/tls.crt -key $FILES/tls.key
  say s_client-other-anchors openssl_client /app/stranger.crt -cert $FILES/tls.crt -key $FILES/tls.key
  say s_client-other-certificate openssl_client $FILES/ca.crt $STRANGER
  say curl curl -sS --cacert $FILES/ca.crt --cert $FILES/tls.crt --key $FILES/tls.key "https://$HOST/"
  say curl-one-file curl -sS --cacert $FILES/trust-bundle.pem --cert $FILES/credential-bundle.pem "https://$HOST/"
  say curl-crl curl -sS --crlfile $FILES/crl.pem --cacert $FILES/ca.crt --cert $FILES/credential-bundle.pem "https://$HOST/"
  say curl-other-anchors curl -sS --cacert /app/stranger.crt --cert $FILES/credential-bundle.pem "https://$HOST/"
  say curl-no-certificate curl -sS --cacert $FILES/ca.crt "https://$HOST/"
  sleep 5
done
