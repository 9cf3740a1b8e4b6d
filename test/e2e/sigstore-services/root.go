// SPDX-License-Identifier: Apache-2.0

package main

// A Sigstore trusted root, as far as this one says anything (sigstore/protobuf-specs, sigstore_trustroot.proto). Bytes are base64.
type trustedRoot struct {
	MediaType              string                 `json:"mediaType"`
	CertificateAuthorities []certificateAuthority `json:"certificateAuthorities"`
	TimestampAuthorities   []certificateAuthority `json:"timestampAuthorities"`
	Tlogs                  []transparencyLog      `json:"tlogs"`
	Ctlogs                 []transparencyLog      `json:"ctlogs"`
}

type certificateAuthority struct {
	CertChain struct {
		Certificates []certificate `json:"certificates"`
	} `json:"certChain"`
	ValidFor validity `json:"validFor"`
}

type certificate struct {
	RawBytes []byte `json:"rawBytes"`
}

type transparencyLog struct {
	BaseURL       string    `json:"baseUrl"`
	HashAlgorithm string    `json:"hashAlgorithm"`
	PublicKey     publicKey `json:"publicKey"`
	LogID         keyID     `json:"logId"`
}

type publicKey struct {
	RawBytes   []byte   `json:"rawBytes"`
	KeyDetails string   `json:"keyDetails"`
	ValidFor   validity `json:"validFor"`
}

type keyID struct {
	KeyID []byte `json:"keyId"`
}

type validity struct {
	Start string `json:"start"`
}

const always = "1970-01-01T00:00:00Z"
