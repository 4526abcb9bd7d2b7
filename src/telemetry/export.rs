//! Exports traces to the collector: OTLP, protobuf over HTTP.
//!
//! A span that ends goes into a bounded queue, and the request continues; a separate thread sends the queue. A span
//! that does not fit, or that the collector does not accept in time, is lost: no request waits for a trace.

use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use primetech_actors::batch::BatchLimits;
use primetech_actors::trace;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use super::collector::{Collector, CollectorError};
use super::statements::{STATEMENTS, StatementSpans};

/// The service that the spans are of. `OTEL_RESOURCE_ATTRIBUTES` may add to it.
const SERVICE: &str = "primetech";
/// Spans that wait to be sent: some megabytes.
const QUEUE: usize = 8_192;
/// Spans sent together.
const BATCH: usize = 512;
/// How long a span waits for company.
const DELAY: Duration = Duration::from_secs(1);
/// How long the end of the process waits for the last spans.
const STOP_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    #[error(transparent)]
    Collector(#[from] CollectorError),
    #[error("{0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The export of this process's traces.
#[derive(Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// To the collector at `endpoint`, the base that `/v1/traces` is added to. Connects when there is something to send.
    pub(super) fn to(endpoint: &Url) -> Result<Self, ExportError> {
        let address = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(endpoint)?)
            .with_endpoint(address)
            .with_protocol(Protocol::HttpBinary)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(opentelemetry::KeyValue::new("process.pid", i64::from(std::process::id())))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            // The caller's trace decides; a request without one is always traced.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            // A batch follows from each of its requests.
            .with_max_links_per_span(u32::try_from(BatchLimits::default().batch).unwrap_or(u32::MAX))
            .with_resource(resource)
            .build();
        let tracer = provider.tracer(SERVICE);
        Ok(Self { provider, tracer })
    }

    /// Makes spans of a trace what the collector takes; a warning within one becomes one of its events.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_context_activation(false)
            .with_filter(
                Targets::new()
                    .with_target("primetech", LevelFilter::WARN)
                    .with_target(trace::TARGET, LevelFilter::DEBUG),
            )
    }

    /// Makes a span of every SQL statement.
    pub(super) fn statements<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        StatementSpans::new(self.tracer.clone()).with_filter(
            Targets::new()
                .with_target(trace::TARGET, LevelFilter::DEBUG)
                .with_target(STATEMENTS, LevelFilter::DEBUG),
        )
    }

    pub(super) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(STOP_LIMIT) {
            tracing::warn!(%error, "the last traces were not exported");
        }
    }
}
