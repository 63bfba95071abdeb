{{- define "d.name" -}}{{ printf "%s" .Release.Name | trunc 50 | trimSuffix "-" }}{{- end }}
{{- define "d.selector" -}}
app.kubernetes.io/name: event-dispatcher
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "d.labels" -}}
{{ include "d.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
