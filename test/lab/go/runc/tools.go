// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package tools names the programs of this module, so that go.mod and go.sum pin all they need.
package tools

import (
	_ "github.com/opencontainers/runc"
)
