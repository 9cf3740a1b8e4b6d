{{/* Name of the chart in labels. */}}
{{- define "keystead.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Start of every resource's name. Cut so that the longest suffix still fits. */}}
{{- define "keystead.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "keystead.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "keystead.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "keystead.nodeName" -}}{{ include "keystead.fullname" . }}-node{{- end -}}
{{- define "keystead.agentName" -}}{{ include "keystead.fullname" . }}-agent{{- end -}}
{{- define "keystead.controllerName" -}}{{ include "keystead.fullname" . }}-controller{{- end -}}

{{/* Labels that never change: selectors are made of them. Takes (list $ component). */}}
{{- define "keystead.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "keystead.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels. Takes (list $ component). */}}
{{- define "keystead.labels" -}}
{{- $root := index . 0 -}}
{{ include "keystead.selectorLabels" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: keystead
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Image reference. A digest wins over the tag, and the tag stays readable beside it. */}}
{{- define "keystead.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}
{{- with $image.tag }}:{{ . }}{{ end }}@{{ $image.digest }}
{{- else -}}
:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{/* Spec of the EdgeDevices, with the software token filled in, as YAML. */}}
{{- define "keystead.deviceSpec" -}}
{{- $spec := deepCopy .Values.device.spec -}}
{{- if and (empty $spec.rootOfTrust) .Values.softhsm.enabled -}}
{{- $token := dict "library" "/usr/lib/softhsm/libsofthsm2.so" "tokenLabel" .Values.softhsm.tokenLabel "pinFile" "/etc/keystead/pin/pin" -}}
{{- $_ := set $spec "rootOfTrust" (dict "pkcs11" $token) -}}
{{- end -}}
{{- if and (empty $spec.rootOfTrust) .Values.software.enabled -}}
{{- $_ := set $spec "rootOfTrust" (dict "software" dict) -}}
{{- end -}}
{{- if empty $spec.trustDomain -}}
{{- fail "device.create needs device.spec.trustDomain, for example --set device.spec.trustDomain=edge.example.org" -}}
{{- end -}}
{{- if empty $spec.rootOfTrust -}}
{{- fail "device.create needs device.spec.rootOfTrust, for example {pkcs11: {library: /opt/pkcs11/libvendor.so, tokenLabel: device}} or {tpm: {}}; or, without hardware, software.enabled=true; or, for tests, softhsm.enabled=true" -}}
{{- end -}}
{{- if and (hasKey $spec.rootOfTrust "pkcs11") (not (or .Values.pin.secretName .Values.pin.hostPath .Values.softhsm.enabled)) -}}
{{- fail "device.create with a PKCS#11 token needs its PIN: give pin.secretName or pin.hostPath" -}}
{{- end -}}
{{- if and (hasKey $spec.rootOfTrust "software") (not (or .Values.pin.secretName .Values.pin.hostPath .Values.software.enabled)) -}}
{{- fail "device.create with software keys needs their passphrase: give pin.secretName or pin.hostPath, or software.enabled=true for a random one on each node" -}}
{{- end -}}
{{- if and (hasKey $spec.rootOfTrust "tpm") (empty .Values.tpm.device) (not (hasKey ($spec.rootOfTrust.tpm | default dict) "socket")) -}}
{{- fail "device.create with a TPM needs its device node: give tpm.device, for example /dev/tpmrm0" -}}
{{- end -}}
{{- toYaml $spec -}}
{{- end -}}

{{/* Security context of everything that can do without privileges. Takes the uid. */}}
{{- define "keystead.restricted" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/*
How glibc allocates: one arena, and freed memory goes back to the kernel. By itself it keeps an arena for each thread and, after
one large block was freed (checking a PIN takes 16 MB for a moment), everything below that size for good. Half of the notary's memory.
*/}}
{{- define "keystead.allocation" -}}
- { name: MALLOC_ARENA_MAX, value: "1" }
- { name: MALLOC_TRIM_THRESHOLD_, value: "131072" }
{{- end -}}
