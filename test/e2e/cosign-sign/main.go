// SPDX-License-Identifier: Apache-2.0

// Signs images with the code of cosign and sigstore-go that `cosign sign` runs:
//
//	cosign-sign simple|bundle IMAGE@DIGEST                        by a key that it makes, whose public key it prints
//	cosign-sign keyless IMAGE@DIGEST FULCIO TIMESTAMPS REKOR TOKEN  by whom the token names; prints the bundle
//	cosign-sign attach IMAGE@DIGEST                                puts the bundle from standard input beside the image
//
// `simple` is cosign's first format, a tag beside the image; the others, its default since version 3, are Sigstore bundles that
// refer to the image. What a key signs is in no transparency log.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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
	result, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(result)
}

func run(arguments []string) (string, error) {
	if len(arguments) < 2 {
		return "", errors.New("usage: cosign-sign simple|bundle|keyless|attach IMAGE@DIGEST …")
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
	switch command, more := arguments[0], arguments[2:]; {
	case command == "simple" && len(more) == 0:
		if err := attachSimple(image, key); err != nil {
			return "", err
		}
		return key.GetPublicKeyPem()
	case command == "bundle" && len(more) == 0:
		bundle, err := bundleOf(image, key, sign.BundleOptions{})
		if err != nil {
			return "", err
		}
		if err := attachBundle(image, bundle); err != nil {
			return "", err
		}
		return key.GetPublicKeyPem()
	case command == "keyless" && len(more) == 4:
		bundle, err := bundleOf(image, key, keyless(more[0], more[1], more[2], more[3]))
		return string(bundle), err
	case command == "attach" && len(more) == 0:
		bundle, err := io.ReadAll(os.Stdin)
		if err != nil {
			return "", err
		}
		return "", attachBundle(image, bundle)
	default:
		return "", fmt.Errorf("%s with %d arguments is not known", command, len(more))
	}
}

func keyless(fulcio, timestamps, rekor, token string) sign.BundleOptions {
	return sign.BundleOptions{
		CertificateProvider:        sign.NewFulcio(&sign.FulcioOptions{BaseURL: fulcio}),
		CertificateProviderOptions: &sign.CertificateProviderOptions{IDToken: token},
		TimestampAuthorities:       []*sign.TimestampAuthority{sign.NewTimestampAuthority(&sign.TimestampAuthorityOptions{URL: timestamps})},
		TransparencyLogs:           []sign.Transparency{sign.NewRekor(&sign.RekorOptions{BaseURL: rekor, Version: 2})},
	}
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
func bundleOf(image name.Digest, key sign.Keypair, options sign.BundleOptions) ([]byte, error) {
	algorithm, hex, _ := strings.Cut(image.DigestStr(), ":")
	statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{%q:%q}}],"predicateType":%q,"predicate":{}}`,
		algorithm, hex, types.CosignSignPredicateType)
	content := &sign.DSSEData{Data: []byte(statement), PayloadType: "application/vnd.in-toto+json"}
	bundle, err := sign.Bundle(content, key, options)
	if err != nil {
		return nil, err
	}
	return protojson.Marshal(bundle)
}

func attachBundle(image name.Digest, bundle []byte) error {
	return remote.WriteAttestationNewBundleFormat(image, bundle, types.CosignSignPredicateType)
}
