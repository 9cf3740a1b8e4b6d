// SPDX-License-Identifier: Apache-2.0

// Signs an image by a key that it makes, with the code of cosign and sigstore-go that `cosign sign --key` runs, and prints the
// public key: cosign-sign simple|bundle IMAGE@DIGEST. `simple` is cosign's first format, a tag beside the image; `bundle`,
// its default since version 3, is a Sigstore bundle that refers to the image. Nothing is written to a transparency log.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/cosign/v3/pkg/oci/mutate"
	"github.com/sigstore/cosign/v3/pkg/oci/remote"
	"github.com/sigstore/cosign/v3/pkg/oci/static"
	"github.com/sigstore/cosign/v3/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/sign"
	"github.com/sigstore/sigstore/pkg/signature/payload"
	"google.golang.org/protobuf/encoding/protojson"
)

func main() {
	public, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(public)
}

func run(arguments []string) (string, error) {
	if len(arguments) != 2 {
		return "", errors.New("usage: cosign-sign simple|bundle IMAGE@DIGEST")
	}
	// The registry of a test speaks plain HTTP.
	image, err := name.NewDigest(arguments[1], name.Insecure)
	if err != nil {
		return "", err
	}
	key, err := sign.NewEphemeralKeypair(nil)
	if err != nil {
		return "", err
	}
	attach := attachSimple
	if arguments[0] == "bundle" {
		attach = attachBundle
	}
	if err := attach(image, key); err != nil {
		return "", err
	}
	return key.GetPublicKeyPem()
}

// As signDigest in cosign's cmd/cosign/cli/sign.
func attachSimple(image name.Digest, key sign.Keypair) error {
	claim, err := payload.Cosign{Image: image}.MarshalJSON()
	if err != nil {
		return err
	}
	signature, _, err := key.SignData(context.Background(), claim)
	if err != nil {
		return err
	}
	layer, err := static.NewSignature(claim, base64.StdEncoding.EncodeToString(signature))
	if err != nil {
		return err
	}
	entity, err := remote.SignedEntity(image)
	if err != nil {
		return err
	}
	signed, err := mutate.AttachSignatureToEntity(entity, layer)
	if err != nil {
		return err
	}
	return remote.WriteSignatures(image.Repository, signed)
}

// As signDigestBundle there.
func attachBundle(image name.Digest, key sign.Keypair) error {
	algorithm, hex, _ := strings.Cut(image.DigestStr(), ":")
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{%q:%q}}],"predicateType":%q,"predicate":{}}`,
		algorithm, hex, types.CosignSignPredicateType)
	content := &sign.DSSEData{Data: []byte(statement), PayloadType: "application/vnd.in-toto+json"}
	bundle, err := sign.Bundle(content, key, sign.BundleOptions{})
	if err != nil {
		return err
	}
	text, err := protojson.Marshal(bundle)
	if err != nil {
		return err
	}
	return remote.WriteAttestationNewBundleFormat(image, text, types.CosignSignPredicateType)
}
