// SPDX-License-Identifier: Apache-2.0

// What an Envoy does at its SDS socket, with Envoy's own message types and rules, and what grpcurl does to find its way:
// by reflection. Says what it finds in lines that a test reads.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	secret "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	connection, err := grpc.NewClient(os.Getenv("SPIFFE_ENDPOINT_SOCKET"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	report("reflection", reflect(ctx, connection))
	report("reflection-alpha", reflectAlpha(ctx, connection))
	client := secret.NewSecretDiscoveryServiceClient(connection)
	fetched, err := client.FetchSecrets(ctx, &discovery.DiscoveryRequest{Node: envoy(), ResourceNames: []string{"ROOTCA"}})
	report("fetch", err)
	show("fetched", fetched)
	old, err := client.FetchSecrets(ctx, &discovery.DiscoveryRequest{ResourceNames: []string{"ROOTCA"}})
	report("fetch-old", err)
	show("fetched-old", old)
	_, err = client.FetchSecrets(ctx, &discovery.DiscoveryRequest{Node: envoy(), ResourceNames: []string{"another"}})
	fmt.Printf("unknown %v\n", err)
	delta, err := client.DeltaSecrets(ctx)
	if err == nil {
		_ = delta.Send(&discovery.DeltaDiscoveryRequest{})
		_, err = delta.Recv()
	}
	fmt.Printf("delta %v\n", err)
	for {
		fmt.Printf("stream-ended %v\n", follow(ctx, client))
		time.Sleep(time.Second)
	}
}

func envoy() *core.Node {
	version := &core.BuildVersion{Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 36}}
	return &core.Node{Id: "test", UserAgentName: "envoy", UserAgentVersionType: &core.Node_UserAgentBuildVersion{UserAgentBuildVersion: version}}
}

// As Envoy does: one stream for each secret's subscription would do too; here all names share one. Every answer is
// acknowledged, one is refused, and then the names change.
func follow(ctx context.Context, client secret.SecretDiscoveryServiceClient) error {
	stream, err := client.StreamSecrets(ctx)
	if err != nil {
		return err
	}
	names := []string{"default", "ALL"}
	request := &discovery.DiscoveryRequest{Node: envoy(), ResourceNames: names}
	for count := 0; ; count++ {
		if err := stream.Send(request); err != nil {
			return err
		}
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		show(fmt.Sprintf("update-%d", count), response)
		request = &discovery.DiscoveryRequest{ResourceNames: names, VersionInfo: response.VersionInfo, ResponseNonce: response.Nonce}
		if count == 0 {
			names = []string{"default"}
			request.ResourceNames = names
			request.ErrorDetail = &status.Status{Code: 3, Message: "not liked"}
		}
	}
}

func show(what string, response *discovery.DiscoveryResponse) {
	for _, resource := range response.GetResources() {
		var found tlsv3.Secret
		if err := resource.UnmarshalTo(&found); err != nil {
			fmt.Printf("%s-error %v\n", what, err)
			return
		}
		fmt.Printf("%s nonce=%s %s %s\n", what, response.Nonce, found.Name, describe(&found))
	}
}

func describe(found *tlsv3.Secret) string {
	if err := found.ValidateAll(); err != nil {
		return err.Error()
	}
	switch kind := found.Type.(type) {
	case *tlsv3.Secret_TlsCertificate:
		pair, err := tls.X509KeyPair(kind.TlsCertificate.CertificateChain.GetInlineBytes(), kind.TlsCertificate.PrivateKey.GetInlineBytes())
		if err != nil {
			return err.Error()
		}
		leaf, _ := x509.ParseCertificate(pair.Certificate[0])
		return fmt.Sprintf("certificate id=%s serial=%x", leaf.URIs[0], leaf.SerialNumber)
	case *tlsv3.Secret_ValidationContext:
		custom := kind.ValidationContext.GetCustomValidatorConfig()
		if custom == nil {
			return fmt.Sprintf("anchors=%d", anchors(kind.ValidationContext.TrustedCa.GetInlineBytes()))
		}
		var config tlsv3.SPIFFECertValidatorConfig
		if err := custom.TypedConfig.UnmarshalTo(&config); err != nil {
			return err.Error()
		}
		domains := []string{}
		for _, domain := range config.TrustDomains {
			domains = append(domains, fmt.Sprintf("%s=%d", domain.Name, anchors(domain.TrustBundle.GetInlineBytes())))
		}
		return fmt.Sprintf("validator %s %s", custom.Name, strings.Join(domains, ","))
	}
	return "nothing"
}

func anchors(bundle []byte) int {
	count := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return -1
		}
		count++
	}
	return count
}

// Lists the services and builds the Workload API's descriptors from what the server says of them.
func reflect(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := reflection.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	ask := func(request *reflection.ServerReflectionRequest) (*reflection.ServerReflectionResponse, error) {
		if err := stream.Send(request); err != nil {
			return nil, err
		}
		return stream.Recv()
	}
	listed, err := ask(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return err
	}
	for _, service := range listed.GetListServicesResponse().GetService() {
		found, err := ask(&reflection.ServerReflectionRequest{
			MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service.Name},
		})
		if err != nil {
			return err
		}
		set := &descriptorpb.FileDescriptorSet{}
		for _, bytes := range found.GetFileDescriptorResponse().GetFileDescriptorProto() {
			file := &descriptorpb.FileDescriptorProto{}
			if err := proto.Unmarshal(bytes, file); err != nil {
				return err
			}
			set.File = append(set.File, file)
		}
		files, err := protodesc.NewFiles(set)
		if err != nil {
			return err
		}
		fmt.Printf("service %s files=%d\n", service.Name, files.NumFiles())
	}
	missing, err := ask(&reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_FileByFilename{FileByFilename: "no.proto"},
	})
	if err != nil {
		return err
	}
	fmt.Printf("missing %d\n", missing.GetErrorResponse().GetErrorCode())
	return stream.CloseSend()
}

func reflectAlpha(ctx context.Context, connection *grpc.ClientConn) error {
	stream, err := alpha.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&alpha.ServerReflectionRequest{MessageRequest: &alpha.ServerReflectionRequest_ListServices{}}); err != nil {
		return err
	}
	listed, err := stream.Recv()
	if err != nil {
		return err
	}
	fmt.Printf("alpha-services %d\n", len(listed.GetListServicesResponse().GetService()))
	return nil
}

func report(what string, err error) {
	if err != nil {
		fmt.Printf("%s-error %v\n", what, err)
	}
}
